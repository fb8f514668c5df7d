// The one module that talks to the API. Every failure is a `Problem`, with the fields it names.

const TIMEOUT_MS = 10_000;
const UPLOAD_TIMEOUT_MS = 60_000;

export class Problem extends Error {
  constructor(status, body) {
    super(body.detail ?? body.title ?? "Something went wrong.");
    this.status = status;
    this.code = body.code ?? "UNREADABLE";
    this.fields = new Map((body.errors ?? []).map(({ field, detail }) => [field, detail]));
  }
}

export const signUp = (member) => call("POST", "/api/members", { body: member });
export const openSession = (name, password) => call("POST", "/api/sessions", { body: { name, password } });
export const me = (token) => call("GET", "/api/me", { token });
/** `photos` are ids of media. */
export const createPost = (token, post) => call("POST", "/api/posts", { token, body: post });
export const like = (token, post) => call("PUT", `/api/posts/${post}/like`, { token });
export const unlike = (token, post) => call("DELETE", `/api/posts/${post}/like`, { token });
export const version = () => call("GET", "/api/version", {});

/** With a token, each post tells whether its member likes it. */
export function posts(token, before) {
  const query = new URLSearchParams(before ? { before } : {});
  return call("GET", `/api/posts?${query}`, { token });
}

/** One photo, as it comes from a file input. */
export function upload(token, file) {
  const form = new FormData();
  form.append("file", file);
  return call("POST", "/api/media", { token, form });
}

async function call(method, path, { token, body, form }) {
  // Messages in the language of the page around them.
  const headers = { accept: "application/json", "accept-language": document.documentElement.lang };
  if (token) headers.authorization = `Bearer ${token}`;
  if (body) headers["content-type"] = "application/json";
  let response;
  try {
    const signal = AbortSignal.timeout(form ? UPLOAD_TIMEOUT_MS : TIMEOUT_MS);
    // The browser itself names the type of a form.
    response = await fetch(path, { method, headers, body: form ?? (body && JSON.stringify(body)), signal });
  } catch {
    throw new Problem(0, { code: "UNREACHABLE", title: "The server cannot be reached. Try again in a moment." });
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Problem(response.status, answer);
  return answer;
}
