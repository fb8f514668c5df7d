// Who is signed in, for as long as this tab is open and the token lives.

import { me, openSession } from "./api.js";

const KEY = "session";
const listeners = [];

export function onChange(listener) {
  listeners.push(listener);
}

/** `{ token, nickname, expiresAt }`, or null. */
export function session() {
  const kept = JSON.parse(sessionStorage.getItem(KEY) ?? "null");
  return kept && kept.expiresAt > Date.now() ? kept : null;
}

export async function signIn(name, password) {
  const { access_token: token, expires_in: seconds } = await openSession(name, password);
  const { nickname } = await me(token);
  keep({ token, nickname, expiresAt: Date.now() + seconds * 1000 });
}

export function signOut() {
  keep(null);
}

function keep(value) {
  if (value) sessionStorage.setItem(KEY, JSON.stringify(value));
  else sessionStorage.removeItem(KEY);
  for (const listener of listeners) listener();
}
