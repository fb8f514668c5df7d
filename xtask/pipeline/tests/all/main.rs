//! The library as its users see it: text in, model or problems out.

mod expect;
mod manual;
mod problems;
mod robustness;
mod schema;
