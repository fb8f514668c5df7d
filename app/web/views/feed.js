// Everyone's posts, newest first, a page at a time; and, signed in, a box to make one.

import { Problem, createPost, posts, upload } from "../api.js";
import { button, element, toast } from "../dom.js";
import { form } from "../form.js";
import { session, signOut } from "../session.js";
import { postCard } from "./post.js";

const MOST_PHOTOS = 10;

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
    {
      name: "photos",
      label: "Photos",
      hint: `1 to ${MOST_PHOTOS}: JPEG, PNG or WebP.`,
      type: "file",
      required: "",
      multiple: "",
      accept: "image/jpeg,image/png,image/webp",
    },
    { name: "text", label: "Say something (optional)", multiline: true, maxlength: 2200, rows: 3, placeholder: "What is new?" },
  ];
  // What has been uploaded is not uploaded again when the post is refused for something else.
  const uploaded = new Map();
  const onSubmit = async ({ photos: files, text }) => {
    try {
      const photos = await uploadAll(files, uploaded);
      onPost(await createPost(session()?.token, text.trim() ? { text, photos } : { photos }));
      uploaded.clear();
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

/** One after the other, in the order chosen; the ids. */
async function uploadAll(files, uploaded) {
  if (files.length > MOST_PHOTOS) {
    throw new Problem(0, { errors: [{ field: "photos", detail: `must be at most ${MOST_PHOTOS} files` }] });
  }
  const ids = [];
  for (const file of files) {
    const key = `${file.name} ${file.size} ${file.lastModified}`;
    if (!uploaded.has(key)) uploaded.set(key, await uploadOne(file));
    ids.push(uploaded.get(key));
  }
  return ids;
}

/** What the API says of the one file is shown at the field for all. */
async function uploadOne(file) {
  try {
    return (await upload(session()?.token, file)).id;
  } catch (problem) {
    const detail = problem.fields?.get("file") ?? (problem.status === 413 ? "is too large" : null);
    if (!detail) throw problem;
    throw new Problem(problem.status, { errors: [{ field: "photos", detail: `cannot hold “${file.name}”: it ${detail}` }] });
  }
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
