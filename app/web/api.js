// The one module that talks to the API. Every failure is a `Problem`, with the fields it names.

const TIMEOUT_MS = 10_000;

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
export const createPost = (token, text) => call("POST", "/api/posts", { token, body: { text } });
export const like = (token, post) => call("PUT", `/api/posts/${post}/like`, { token });
export const unlike = (token, post) => call("DELETE", `/api/posts/${post}/like`, { token });
export const version = () => call("GET", "/api/version", {});

/** With a token, each post tells whether its member likes it. */
export function posts(token, before) {
  const query = new URLSearchParams(before ? { before } : {});
  return call("GET", `/api/posts?${query}`, { token });
}

async function call(method, path, { token, body }) {
  // Messages in the language of the page around them.
  const headers = { accept: "application/json", "accept-language": document.documentElement.lang };
  if (token) headers.authorization = `Bearer ${token}`;
  if (body) headers["content-type"] = "application/json";
  let response;
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    response = await fetch(path, { method, headers, body: body && JSON.stringify(body), signal });
  } catch {
    throw new Problem(0, { code: "UNREACHABLE", title: "The server cannot be reached. Try again in a moment." });
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Problem(response.status, answer);
  return answer;
}
