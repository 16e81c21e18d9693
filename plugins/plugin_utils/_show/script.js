"use strict";
const flows = [...document.querySelectorAll("details.flow")];
const filter = document.querySelector(".filter");
const box = filter.querySelector("input");
const texts = flows.map(flow => flow.firstElementChild.textContent.toLowerCase() + flow.querySelector("dd").textContent.toLowerCase());
filter.hidden = flows.length < 2;
box.addEventListener("input", () => {
  const words = box.value.toLowerCase().split(/\s+/);
  flows.forEach((flow, n) => { flow.hidden = !words.every(word => texts[n].includes(word)); });
  const left = flows.filter(flow => !flow.hidden).length;
  filter.querySelector("output").textContent = left === flows.length ? "" : left + " of " + flows.length;
});
const reveal = () => {
  const target = document.getElementById(location.hash.slice(1));
  const flow = target && target.closest("details.flow");
  if (flow) { flow.hidden = false; flow.open = true; flow.scrollIntoView(); }
};
window.addEventListener("hashchange", reveal);
reveal();
