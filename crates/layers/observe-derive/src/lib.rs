//! `#[derive(Observe)]` of `spanlake-scope`: the fields of a struct as inputs and outputs of an observed object.
//!
//! ```
//! use spanlake_scope::observe::Observe;
//!
//! #[derive(Observe)]
//! #[observe(name = "pump")]
//! struct Pump {
//!     #[observe(input, group = "shaft", rename = "speed")]
//!     revolutions: f64,
//!     #[observe(output, group = "outlet")]
//!     flow: Vec<f64>,
//!     #[observe(input, redact)]
//!     licence: String,
//!     serial: u64,
//! }
//!
//! let pump = Pump { revolutions: 50.0, flow: vec![], licence: "AB-12".into(), serial: 7 };
//! assert_eq!((pump.name().as_ref(), pump.type_name()), ("pump", "Pump"));
//! # assert_eq!((pump.licence.len(), pump.serial), (5, 7));
//! ```
//!
//! Enums and unions implement the trait by hand:
//!
//! ```compile_fail
//! #[derive(spanlake_scope::observe::Observe)]
//! enum Valve {
//!     Open,
//!     Shut,
//! }
//! ```
//!
//! | on the struct | |
//! |---|---|
//! | `name = "…"` | the object's name, where it is not that of the type; or any expression with `self` that can be shown, such as `name = format!("pump {}", self.number)` |
//! | `task` | its work is a task |
//! | `input`, `output` | all fields are, that say nothing else |
//! | `group = "…"` | their group; `values` unless told otherwise. What is in a group stands together |
//! | `also = path` | `fn(&Self, Phase, &str, &mut Observer)`, called after the fields were dumped |
//!
//! | on a field | |
//! |---|---|
//! | `input`, `output` | dumped when the object enters, or exits; with both, `spanlake tree --values` tells what changed |
//! | `group = "…"`, `rename = "…"` | another group, or another name |
//! | `with = path` | `fn(&Field) -> impl AsValue`, such as a matrix's `as_slice` |
//! | `debug` | the text that `{:?}` makes of it |
//! | `redact` | `***`; the value is not touched |
//! | `nested` | an object as well, asked with this one |
//! | `name`, `time` | the object's name, its clock |
//! | `skip` | not dumped |
//!
//! What says nothing beside another word is refused, such as `redact` at a field that is not dumped or is a nested object.

mod attributes;
mod expand;

use proc_macro::TokenStream;

/// Derives `spanlake_scope::observe::Observe`; the crate's page has the attributes.
#[proc_macro_derive(Observe, attributes(observe))]
pub fn observe(input: TokenStream) -> TokenStream {
    derive(input, quote::quote!(::spanlake_scope))
}

/// The same for a crate that has `spanlake-scope` only through `spanlake`, which gives this the other's name.
#[doc(hidden)]
#[proc_macro_derive(ObserveThroughFacade, attributes(observe))]
pub fn observe_through_facade(input: TokenStream) -> TokenStream {
    derive(input, quote::quote!(::spanlake::scope))
}

fn derive(input: TokenStream, scope: proc_macro2::TokenStream) -> TokenStream {
    let expanded = syn::parse(input).and_then(|input| expand::expand(&input, &scope));
    expanded.unwrap_or_else(|error| error.into_compile_error()).into()
}
