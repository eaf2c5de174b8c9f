// A pad of large digits for hands on a screen; the field beside it takes a keyboard as well, and alone where this does not run.
//
// <div data-pad="ID of the field" data-clear="label of the delete key" hidden></div>

for (const pad of document.querySelectorAll("[data-pad]")) {
  const field = document.getElementById(pad.dataset.pad);
  const key = (label, act, name) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    if (name) button.setAttribute("aria-label", name);
    button.addEventListener("click", act);
    pad.append(button);
  };
  const digit = (value) =>
    key(value, () => {
      if (field.value.length < field.maxLength) field.value += value;
    });
  for (const value of "123456789") digit(value);
  const gap = document.createElement("span");
  pad.append(gap);
  digit("0");
  key("⌫", () => (field.value = field.value.slice(0, -1)), pad.dataset.clear);
  pad.hidden = false;
}
