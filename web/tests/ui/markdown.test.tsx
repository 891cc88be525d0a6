import { render } from "@testing-library/react";
import { expect, test } from "vitest";
import { Markdown } from "../../src/ui/markdown";

function html(text: string): string {
  return render(<Markdown text={text} />).container.innerHTML;
}

test("headings, paragraphs, lists, code and bold", () => {
  expect(html("# Card: x\n\nTwo\nlines `a_b` **c**.\n\n- one\n- two\n")).toBe(
    "<h4>Card: x</h4><p>Two lines <code>a_b</code> <strong>c</strong>.</p><ul><li>one</li><li>two</li></ul>",
  );
});

test("tables", () => {
  const { container } = render(<Markdown text={"| a | b |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |"} />);
  expect([...container.querySelectorAll("th")].map((cell) => cell.textContent)).toEqual(["a", "b"]);
  expect([...container.querySelectorAll("td")].map((cell) => cell.textContent)).toEqual(["1", "2", "3", "4"]);
});

test("no text becomes markup, and no link runs a script", () => {
  const { container } = render(
    <Markdown text={"<img src=x onerror=alert(1)> [a](javascript:alert(1)) [b](https://c.d/e)"} />,
  );
  expect(container.querySelector("img")).toBeNull();
  expect([...container.querySelectorAll("a")].map((link) => link.getAttribute("href"))).toEqual(["https://c.d/e"]);
});
