// dom.js: elements without markup in strings, so that no id can ever be read as markup.
export function byId(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

// make("td", {class: "number"}, "12", make("b")): attributes by name; null and false leave one out; true sets it empty.
export function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === false || value === undefined) continue;
    element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

// Writes only what changed: a selection that the reader made in the text stays.
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setHidden(element, hidden) {
  if (element.hidden !== hidden) element.hidden = hidden;
}

// A sentence in an element that is hidden while there is none.
export function say(element, text) {
  setText(element, text ?? "");
  setHidden(element, !text);
}
