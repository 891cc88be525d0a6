import { Component, type ReactNode } from "react";

/** In place of a page that failed: what happened, and one way out. */
export class ErrorBoundary extends Component<{ children: ReactNode }, { error: Error | null }> {
  override state: { error: Error | null } = { error: null };

  static getDerivedStateFromError(error: unknown): { error: Error } {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (!error) return this.props.children;
    return (
      <main className="waiting" role="alert" data-testid="crashed">
        <p>This page failed, and nothing you did is to blame.</p>
        <p className="quietly">{error.message}</p>
        <button type="button" className="action" onClick={() => location.reload()}>
          Load it again
        </button>
      </main>
    );
  }
}
