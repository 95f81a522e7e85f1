"use strict";
// Tables that sort, figures that can be saved, and a page that prints unfolded.

// Order of rows by one column: numbers as numbers, text as text, what is not known always last.
function order(cells, descending) {
  const known = c => c.value !== null || (c.text !== "" && c.text !== "–");
  const compare = (a, b) => a.value !== null && b.value !== null
    ? a.value - b.value
    : a.text.localeCompare(b.text, "en", { numeric: true });
  return [...cells.keys()].sort((i, j) => {
    const [a, b] = [cells[i], cells[j]];
    if (!known(a) || !known(b)) return known(b) - known(a) || i - j;
    return (descending ? compare(b, a) : compare(a, b)) || i - j;
  });
}

function sortBy(heading) {
  const table = heading.closest("table"), body = table.tBodies[0], rows = [...body.rows];
  const descending = heading.getAttribute("aria-sort") === "ascending";
  const cells = rows.map(row => row.cells[heading.cellIndex]).map(cell => ({
    text: cell.textContent.trim(),
    value: "value" in cell.dataset ? Number(cell.dataset.value) : null,
  }));
  body.append(...order(cells, descending).map(i => rows[i]));
  table.querySelectorAll("[aria-sort]").forEach(other => other.removeAttribute("aria-sort"));
  heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
}

function makeSortable(heading) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...heading.childNodes);
  button.addEventListener("click", () => sortBy(heading));
  heading.append(button);
}

function offer(link) {
  link.href = link.closest("figure").querySelector("img").src;
  link.hidden = false;
}

// An address within the page may lie in something folded.
function unfold() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const folded = target && target.querySelector("details");
  if (folded) folded.open = true;
}

if (typeof document !== "undefined") {
  document.querySelectorAll("table.sorts thead th").forEach(makeSortable);
  document.querySelectorAll("a.download").forEach(offer);
  addEventListener("hashchange", unfold);
  unfold();
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    closed.forEach(one => { one.open = true; });
  });
  addEventListener("afterprint", () => closed.forEach(one => { one.open = false; }));
}
