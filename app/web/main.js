// Puts the parts together: which view the address asks for, what the bar offers, and which release answers.

import { version } from "./api.js";
import { button, element, link, toast } from "./dom.js";
import { onChange, session, signOut } from "./session.js";
import { feed } from "./views/feed.js";
import { signIn } from "./views/sign-in.js";
import { signUp } from "./views/sign-up.js";

const views = {
  "#/": { title: "Posts", show: feed },
  "#/sign-in": { title: "Sign in", show: signIn },
  "#/sign-up": { title: "Sign up", show: signUp },
};

const content = document.getElementById("content");

function showView() {
  const view = views[location.hash] ?? views["#/"];
  document.title = `${view.title} · Instagram`;
  content.replaceChildren();
  view.show(content);
}

function showAccount() {
  const nav = document.getElementById("nav");
  const member = session();
  if (member) {
    const leaveAccount = button("Sign out", "quiet", () => {
      signOut();
      showView();
      toast("You are signed out.");
    });
    nav.replaceChildren(element("span", { className: "me", textContent: member.nickname }), leaveAccount);
  } else {
    nav.replaceChildren(link("Sign in", "#/sign-in", "quiet"), link("Sign up", "#/sign-up", "primary"));
  }
}

async function showVersion() {
  const place = document.getElementById("version");
  try {
    const { release, commit, version: number } = await version();
    const parts = [release && `release ${release}`, commit && `commit ${commit.slice(0, 12)}`, `API ${number}`];
    place.textContent = parts.filter(Boolean).join(" · ");
  } catch {
    place.textContent = "The API does not answer.";
  }
}

addEventListener("hashchange", () => {
  showView();
  // A screen reader is to hear the new view, as it would a new page.
  content.focus({ preventScroll: true });
  scrollTo(0, 0);
});
onChange(showAccount);
showAccount();
showView();
showVersion();
