/** Pictures to try without a camera: a few of our own set, whose licences allow to pass them on. */

import { Problem } from "../shared/problem";
import listed from "./examples/examples.json";

export interface Example {
  label: string;
  title: string;
  author: string;
  licence: string;
  source: string;
  url: string;
}

const URLS = import.meta.glob<string>("./examples/*.jpg", { eager: true, query: "?url", import: "default" });

export const EXAMPLES: readonly Example[] = listed.map(({ file, ...rest }) => ({
  ...rest,
  url: URLS[`./examples/${file}`] ?? "",
}));

/** Rejects with a Problem where it does not arrive. */
export async function fetchExample({ url }: Example): Promise<Blob> {
  try {
    const response = await fetch(url);
    if (response.ok) return await response.blob();
  } catch (error) {
    throw new Problem("service-down", "", undefined, { cause: error });
  }
  throw new Problem("page-outdated");
}
