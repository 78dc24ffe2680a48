// Shared by all pages of the site. The collector's script may load before or after this one.
const log = document.getElementById("log");
const note = (text) => {
  const line = document.createElement("li");
  line.textContent = text;
  log.append(line);
};
const send = (type, properties) => {
  window.beacon?.(type, properties);
  note(`${type} ${JSON.stringify(properties || {})}`);
};

note("page_view (automatic)");

for (const button of document.querySelectorAll("[data-event]"))
  button.addEventListener("click", () =>
    send(button.dataset.event, { item: button.dataset.item, price: +button.dataset.price })
  );

const show = (room) => {
  document.getElementById("title").textContent = document.title = room;
};
for (const button of document.querySelectorAll("[data-room]"))
  button.addEventListener("click", () => {
    const room = button.dataset.room;
    history.pushState({ room }, "", `?room=${room.toLowerCase()}`);
    show(room);
    note(`page_view of ${room} (automatic)`);
  });
addEventListener("popstate", (event) => show(event.state?.room || "Kitchen"));

document.getElementById("sign-in")?.addEventListener("click", () => {
  window.beacon?.identify("u-17");
  note("identify: user_id u-17 on all later events");
});
document.getElementById("leave")?.addEventListener("click", () => {
  send("last_word", { text: "goodbye" });
  location.href = "product.html";
});
