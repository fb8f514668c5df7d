import { element, link, toast } from "../dom.js";
import { form } from "../form.js";
import { signIn as open } from "../session.js";

export function signIn(place) {
  const fields = [
    { name: "name", label: "E-mail, nickname or telephone number", required: "", autocomplete: "username", autocapitalize: "none" },
    { name: "password", label: "Password", type: "password", required: "", autocomplete: "current-password" },
  ];
  const onSubmit = async ({ name, password }) => {
    await open(name, password);
    location.hash = "#/";
    toast("Welcome back.");
  };
  place.append(
    element("section", { className: "card narrow" },
      element("h1", { textContent: "Sign in" }),
      form({ fields, action: "Sign in", onSubmit }),
      element("p", { className: "aside" }, "New here? ", link("Make an account", "#/sign-up")),
    ),
  );
}
