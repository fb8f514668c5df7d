// A form whose errors, from the browser or from the API, are shown at the field they are about.

import { element } from "./dom.js";

/**
 * `fields`: `[{ name, label, hint?, type?, multiline?, ...attributes }]`.
 * `onSubmit(values)`, where a file input's value is its files, may throw a `Problem`; what it names is shown at its
 * field, the rest above the button.
 */
export function form({ fields, action, onSubmit }) {
  const inputs = new Map(fields.map((field) => [field.name, makeField(field)]));
  const alert = element("p", { className: "alert", hidden: true });
  alert.setAttribute("role", "alert");
  const submit = element("button", { type: "submit", className: "primary wide", textContent: action });
  const made = element("form", { noValidate: true }, ...[...inputs.values()].map(({ row }) => row), alert, submit);

  made.addEventListener("submit", async (event) => {
    event.preventDefault();
    alert.hidden = true;
    for (const field of inputs.values()) field.complain("");
    if (!checkHere(inputs)) return;
    submit.disabled = true;
    try {
      await onSubmit(Object.fromEntries([...inputs].map(([name, { input }]) => [name, valueOf(input)])));
    } catch (problem) {
      showProblem(problem, inputs, alert);
    } finally {
      submit.disabled = false;
    }
  });
  return made;
}

function makeField({ name, label, hint, multiline, ...attributes }) {
  const id = `field-${name}`;
  const input = element(multiline ? "textarea" : "input", { id, name });
  for (const [attribute, value] of Object.entries(attributes)) input.setAttribute(attribute, value);
  const error = element("p", { id: `${id}-error`, className: "error", hidden: true });
  const children = [element("label", { htmlFor: id, textContent: label }), input];
  if (hint) children.push(element("p", { id: `${id}-hint`, className: "hint", textContent: hint }));
  input.setAttribute("aria-describedby", hint ? `${id}-error ${id}-hint` : `${id}-error`);

  const complain = (text) => {
    error.textContent = text;
    error.hidden = !text;
    input.setAttribute("aria-invalid", String(Boolean(text)));
  };
  input.addEventListener("input", () => complain(""));
  return { input, complain, row: element("div", { className: "field" }, ...children, error) };
}

function valueOf(input) {
  return input.type === "file" ? [...input.files] : input.value;
}

function checkHere(inputs) {
  const wrong = [...inputs.values()].filter(({ input }) => !input.validity.valid);
  for (const { input, complain } of wrong) complain(input.validationMessage);
  wrong[0]?.input.focus();
  return wrong.length === 0;
}

function showProblem(problem, inputs, alert) {
  const named = [...(problem.fields ?? [])].filter(([name]) => inputs.has(name));
  for (const [name, detail] of named) inputs.get(name).complain(`This ${detail}.`);
  if (named.length > 0) {
    inputs.get(named[0][0]).input.focus();
    return;
  }
  alert.textContent = problem.message;
  alert.hidden = false;
}
