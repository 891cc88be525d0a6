/** The part of Markdown that a model card is written in, as elements: no text of it ever becomes markup. */

import { Fragment, type ReactNode } from "react";

const INLINE = /(`[^`]+`|\*\*[^*]+\*\*|\[[^\]]+\]\([^)\s]+\))/;

/** Code, bold, and links to web pages; the rest stays as it is. */
function inline(text: string): ReactNode[] {
  return text.split(INLINE).map((part, index) => {
    const key = `${index}`;
    if (part.startsWith("`") && part.endsWith("`") && part.length > 2)
      return <code key={key}>{part.slice(1, -1)}</code>;
    if (part.startsWith("**") && part.endsWith("**") && part.length > 4) {
      return <strong key={key}>{part.slice(2, -2)}</strong>;
    }
    const link = /^\[([^\]]+)\]\((https?:\/\/[^)\s]+)\)$/.exec(part);
    if (link) {
      return (
        <a key={key} href={link[2]} rel="noreferrer">
          {link[1]}
        </a>
      );
    }
    return <Fragment key={key}>{part}</Fragment>;
  });
}

function cells(line: string): string[] {
  return line
    .trim()
    .replace(/^\||\|$/g, "")
    .split("|")
    .map((cell) => cell.trim());
}

function block(lines: string[], key: string): ReactNode {
  const [first = "", second = ""] = lines;
  const heading = /^(#{1,6}) (.*)/.exec(first);
  if (heading) return <h4 key={key}>{inline(heading[2] ?? "")}</h4>;
  if (first.startsWith("|") && /^[|\s:-]+$/.test(second)) return table(lines, key);
  const listed = /^([-*]|\d+\.) /;
  if (listed.test(first)) {
    const List = /^\d/.test(first) ? "ol" : "ul";
    const items = lines.join("\n").split(/\n(?=(?:[-*]|\d+\.) )/);
    return (
      <List key={key}>
        {items.map((item, index) => (
          <li key={index}>{inline(item.replace(listed, "").replaceAll("\n", " "))}</li>
        ))}
      </List>
    );
  }
  return <p key={key}>{inline(lines.join(" "))}</p>;
}

function table([head = "", , ...body]: string[], key: string): ReactNode {
  return (
    // A wide table scrolls by itself; the keyboard has to reach it then.
    // biome-ignore lint/a11y/noNoninteractiveTabindex: as above
    <section key={key} className="scroll" tabIndex={0} aria-label={cells(head).join(", ")}>
      <table>
        <thead>
          <tr>
            {cells(head).map((cell) => (
              <th key={cell} scope="col">
                {inline(cell)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {body.map((line) => (
            <tr key={line}>
              {cells(line).map((cell, index) => (
                <td key={index}>{inline(cell)}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** Headings, paragraphs, lists and tables. */
export function Markdown({ text }: { text: string }) {
  const blocks: string[][] = [[]];
  for (const line of text.replaceAll("\r", "").split("\n")) {
    const current = blocks.at(-1) as string[];
    if (line.trim() === "") blocks.push([]);
    else if (line.startsWith("#")) blocks.push([line], []);
    else current.push(line);
  }
  return <>{blocks.filter((lines) => lines.length > 0).map((lines, index) => block(lines, `${index}`))}</>;
}
