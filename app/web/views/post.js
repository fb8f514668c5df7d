import { like, unlike } from "../api.js";
import { button, element, toast } from "../dom.js";
import { session } from "../session.js";

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
    photos(post),
    element("p", { className: "text", textContent: post.text ?? "", hidden: !post.text }),
    element("footer", { className: "marks" }, likeButton(post), comments(post)),
  );
}

/** Side by side where there are several, to be swiped through; whoever wants one whole opens it. */
function photos({ photos, author }) {
  const shown = photos.map((photo, index) => {
    const alt = photos.length === 1 ? `Photo by ${author.nickname}` : `Photo ${index + 1} of ${photos.length} by ${author.nickname}`;
    const { url, width, height, thumbnails = [] } = photo;
    const sizes = [...thumbnails, { url, width }].map((size) => `${size.url} ${size.width}w`).join(", ");
    const image = element("img", { loading: "lazy", decoding: "async", width, height, alt, sizes: "(max-width: 34rem) 100vw, 34rem", srcset: sizes, src: url });
    return element("a", { href: url, target: "_blank", rel: "noopener" }, image);
  });
  return element("div", { className: "photos", hidden: photos.length === 0 }, ...shown);
}

/** Shows at once what was asked for, and takes it back if the API refuses. */
function likeButton({ id, liked, like_count: count }) {
  const made = button("", "like", press);

  function show() {
    made.textContent = `${liked ? "♥" : "♡"} ${count}`;
    made.setAttribute("aria-pressed", String(liked));
    made.setAttribute("aria-label", count === 1 ? "1 like" : `${count} likes`);
  }

  function turn() {
    liked = !liked;
    count += liked ? 1 : -1;
    show();
  }

  async function press() {
    const member = session();
    if (!member) {
      toast("Sign in to like this.");
      return;
    }
    turn();
    made.disabled = true;
    try {
      await (liked ? like : unlike)(member.token, id);
    } catch (problem) {
      turn();
      toast(problem.message);
    } finally {
      made.disabled = false;
    }
  }

  show();
  return made;
}

function comments({ comment_count: count }) {
  return element("span", { textContent: count === 1 ? "1 comment" : `${count} comments` });
}

function ago(moment) {
  const seconds = Math.max(0, (Date.now() - new Date(moment)) / 1000);
  const units = [["day", 86_400], ["hour", 3_600], ["minute", 60]];
  const [unit, length] = units.find(([, length]) => seconds >= length) ?? ["second", 1];
  if (unit === "second") return "just now";
  return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(-Math.floor(seconds / length), unit);
}
