import { element } from "../dom.js";

const HUES = 12;

export function postCard(post) {
  const { id, nickname } = post.author;
  const avatar = element("span", { className: `avatar hue-${id % HUES}`, textContent: [...nickname][0].toUpperCase() });
  avatar.setAttribute("aria-hidden", "true");
  const time = element("time", { dateTime: post.created_at, textContent: ago(post.created_at) });
  time.title = new Date(post.created_at).toLocaleString();
  const author = element("h2", { className: "author", textContent: nickname });
  return element("article", { className: "card post" },
    element("header", {}, avatar, author, time),
    element("p", { className: "text", textContent: post.text }),
  );
}

function ago(moment) {
  const seconds = Math.max(0, (Date.now() - new Date(moment)) / 1000);
  const units = [["day", 86_400], ["hour", 3_600], ["minute", 60]];
  const [unit, length] = units.find(([, length]) => seconds >= length) ?? ["second", 1];
  if (unit === "second") return "just now";
  return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(-Math.floor(seconds / length), unit);
}
