import { signUp as create } from "../api.js";
import { element, link, toast } from "../dom.js";
import { form } from "../form.js";
import { signIn } from "../session.js";

const FIELDS = [
  { name: "email", label: "E-mail", type: "email", required: "", maxlength: 254, autocomplete: "email" },
  { name: "real_name", label: "Real name", required: "", maxlength: 50, autocomplete: "name" },
  {
    name: "nickname",
    label: "Nickname",
    hint: "Letters, digits, “.” and “_”; not digits only.",
    required: "",
    maxlength: 30,
    autocomplete: "username",
    autocapitalize: "none",
  },
  {
    name: "password",
    label: "Password",
    hint: "At least 8 characters.",
    type: "password",
    required: "",
    minlength: 8,
    maxlength: 128,
    autocomplete: "new-password",
  },
  { name: "phone", label: "Telephone number (optional)", type: "tel", maxlength: 24, autocomplete: "tel" },
];

export function signUp(place) {
  const onSubmit = async ({ phone, ...member }) => {
    await create(phone ? { ...member, phone } : member);
    await signIn(member.email, member.password);
    location.hash = "#/";
    toast(`Welcome, ${member.nickname}.`);
  };
  place.append(
    element("section", { className: "card narrow" },
      element("h1", { textContent: "Make an account" }),
      form({ fields: FIELDS, action: "Sign up", onSubmit }),
      element("p", { className: "aside" }, "Have one already? ", link("Sign in", "#/sign-in")),
    ),
  );
}
