// Narrows the features while a name is typed. Without it the form asks the server, which shows the same.
addEventListener("DOMContentLoaded", () => {
  const field = document.getElementById("feature");
  if (!field) return;
  const features = [...document.querySelectorAll(".features > li")];
  const found = document.getElementById("found");
  field.addEventListener("input", () => {
    const wanted = field.value.trim().toLowerCase();
    let count = 0;
    for (const each of features) {
      each.hidden = !each.dataset.name.toLowerCase().includes(wanted);
      if (!each.hidden) count += 1;
    }
    found.textContent = `${count} of ${field.dataset.all} shown`;
  });
});
