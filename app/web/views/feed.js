// Everyone's posts, newest first, a page at a time; and, signed in, a box to write one.

import { createPost, posts } from "../api.js";
import { button, element, toast } from "../dom.js";
import { form } from "../form.js";
import { session, signOut } from "../session.js";
import { postCard } from "./post.js";

export function feed(place) {
  const list = element("div", { className: "posts" });
  list.setAttribute("role", "feed");
  list.setAttribute("aria-label", "Posts");
  const end = element("div", { className: "end" });
  place.append(element("h1", { className: "hidden", textContent: "Posts" }));
  const onPost = (post) => {
    const isFirst = list.childElementCount === 0;
    list.prepend(postCard(post));
    if (isFirst) end.replaceChildren(lastWord(list));
  };
  if (session()) place.append(composer(onPost));
  place.append(list, end);
  loadPages(list, end);
}

function composer(onPost) {
  const fields = [
    { name: "text", label: "Say something", multiline: true, required: "", maxlength: 2200, rows: 3, placeholder: "What is new?" },
  ];
  const onSubmit = async ({ text }) => {
    try {
      onPost(await createPost(session()?.token, text));
      made.reset();
      toast("Posted.");
    } catch (problem) {
      if (problem.status !== 401) throw problem;
      signOut();
      location.hash = "#/sign-in";
      toast("Your session is over. Sign in again.");
    }
  };
  const made = form({ fields, action: "Post", onSubmit });
  return element("section", { className: "card composer" }, made);
}

/** More on a button rather than on scrolling, so that the foot of the page can be reached. */
function loadPages(list, end) {
  let before = null;
  const more = button("Show more", "quiet", load);

  async function load() {
    more.disabled = true;
    list.setAttribute("aria-busy", "true");
    try {
      const page = await posts(session()?.token, before);
      list.append(...page.posts.map(postCard));
      before = page.next;
      more.textContent = "Show more";
      end.replaceChildren(page.next ? more : lastWord(list));
    } catch (problem) {
      more.textContent = "Try again";
      end.replaceChildren(element("p", { className: "alert", textContent: problem.message }), more);
    } finally {
      more.disabled = false;
      list.setAttribute("aria-busy", "false");
    }
  }

  load();
}

function lastWord(list) {
  const textContent = list.childElementCount === 0 ? "No posts yet. Be the first." : "That is all.";
  return element("p", { className: "quiet-text", textContent });
}
