//! The implementation that a struct gets.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Expr, ExprLit, Field, Generics, Index, Lit, Path, Result, Type, parse_quote};

use crate::attributes::{Form, OfField, OfStruct, Phases};

/// The group of fields that name none.
const DEFAULT_GROUP: &str = "values";

/// A field, and what is said of it.
struct Member<'a> {
    /// How it is reached: its name or its number.
    access: TokenStream,
    name: String,
    ty: &'a Type,
    of: OfField,
}

pub(crate) fn expand(input: &DeriveInput, scope: &TokenStream) -> Result<TokenStream> {
    let of = OfStruct::read(&input.attrs)?;
    let members = members(input, &of)?;
    let observe = quote!(#scope::observe);
    let (enter, exit) =
        (dumps(&of, &members, &observe, |phases| phases.enter), dumps(&of, &members, &observe, |phases| phases.exit));
    let also = of.also.as_ref().map(|also| quote!(#also(self, phase, method, out);));
    let others = [name(&of, &members)?, type_name(input), time(&members, &observe)?, is_task(&of)];
    let ident = &input.ident;
    let generics = bounded(&input.generics, &of, &members, &observe);
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        #[allow(unused_variables)]
        impl #impl_generics #observe::Observe for #ident #ty_generics #where_clause {
            fn observe(&self, phase: #observe::Phase, method: &str, out: &mut #observe::Observer) {
                match phase {
                    #observe::Phase::Enter => { #(#enter)* }
                    #observe::Phase::Exit => { #(#exit)* }
                }
                #also
            }
            #(#others)*
        }
    })
}

fn members<'a>(input: &'a DeriveInput, of: &OfStruct) -> Result<Vec<Member<'a>>> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(&input.ident, "`Observe` is derived for structs; others implement it"));
    };
    data.fields.iter().enumerate().map(|(at, field)| Member::read(at, field, of)).collect()
}

/// The statements that dump fields in one phase, those of a group together.
fn dumps(
    of: &OfStruct,
    members: &[Member<'_>],
    observe: &TokenStream,
    is_due: impl Fn(Phases) -> bool,
) -> Vec<TokenStream> {
    let mut due: Vec<_> = members.iter().filter(|member| is_due(member.of.phases(of))).collect();
    let groups: Vec<_> = due.iter().map(|member| member.group(of)).collect();
    due.sort_by_key(|member| groups.iter().position(|group| *group == member.group(of)));
    due.iter().map(|member| member.dump(of, observe)).collect()
}

impl<'a> Member<'a> {
    fn read(at: usize, field: &'a Field, of: &OfStruct) -> Result<Self> {
        let access = field.ident.as_ref().map_or_else(|| Index::from(at).to_token_stream(), ToTokens::to_token_stream);
        let name = access.to_string().trim_start_matches("r#").to_owned();
        Ok(Self { access, name, ty: &field.ty, of: OfField::read(&field.attrs, of)? })
    }

    /// Its name in the dump.
    fn shown_name(&self) -> &str {
        self.of.rename.as_ref().unwrap_or(&self.name)
    }

    /// The group that it stands in; a nested object has its own, of its name.
    fn group<'s>(&'s self, of: &'s OfStruct) -> &'s str {
        if self.of.is_nested() {
            return self.shown_name();
        }
        self.of.group.as_ref().or(of.group.as_ref()).map_or(DEFAULT_GROUP, String::as_str)
    }

    fn dump(&self, of: &OfStruct, observe: &TokenStream) -> TokenStream {
        let (access, name, group) = (&self.access, self.shown_name(), self.group(of));
        // A type that is no value is marked where it stands, while `self` stays that of the method.
        let at = self.ty.span().resolved_at(Span::call_site());
        let value = match &self.of.form {
            Form::Plain => quote_spanned!(at=> &self.#access),
            Form::With(with) => quote!(&#with(&self.#access)),
            Form::Debug => quote!(&#observe::Shown(&self.#access)),
            // Borrowed and let go, or the compiler thinks that nobody needs the field.
            Form::Redacted => quote!({ let _ = &self.#access; #observe::__private::HIDDEN }),
            Form::Nested => {
                return quote_spanned! {at=>
                    out.nested(#name, |out| #observe::Observe::observe(&self.#access, phase, method, out));
                };
            }
        };
        // What a function makes of a value may be dear.
        quote! {
            if out.wants_values() {
                out.group(#group).value(#name, #value);
            }
        }
    }

    /// Whether its type has to be a value.
    fn is_value(&self, of: &OfStruct) -> bool {
        let is_dumped = self.of.phases(of).is_any() && matches!(self.of.form, Form::Plain);
        is_dumped || self.of.time.is_some()
    }
}

fn name(of: &OfStruct, members: &[Member<'_>]) -> Result<TokenStream> {
    let field = only(members, "name", |of| of.name.as_ref())?;
    let name = match (&of.name, field) {
        (Some(name), Some(_)) => return Err(Error::new_spanned(name, "a field is the name already")),
        (Some(Expr::Lit(ExprLit { lit: Lit::Str(name), .. })), None) => quote!(Borrowed(#name)),
        (Some(name), None) => quote!(Owned(::std::string::ToString::to_string(&#name))),
        (None, Some(Member { access, .. })) => quote!(Borrowed(::core::convert::AsRef::<str>::as_ref(&self.#access))),
        (None, None) => return Ok(TokenStream::new()),
    };
    Ok(quote! {
        fn name(&self) -> ::std::borrow::Cow<'_, str> {
            ::std::borrow::Cow::#name
        }
    })
}

/// The field that a word stands at, which no second one may have.
fn only<'m, 'a>(
    members: &'m [Member<'a>],
    word: &str,
    find: impl Fn(&OfField) -> Option<&Path>,
) -> Result<Option<&'m Member<'a>>> {
    let mut found = members.iter().filter_map(|member| Some((member, find(&member.of)?)));
    let first = found.next();
    match found.next() {
        Some((_, path)) => Err(Error::new_spanned(path, format!("another field is the {word} already"))),
        None => Ok(first.map(|(member, _)| member)),
    }
}

fn type_name(input: &DeriveInput) -> TokenStream {
    let name = input.ident.to_string();
    quote! {
        fn type_name(&self) -> &str {
            #name
        }
    }
}

fn time(members: &[Member<'_>], observe: &TokenStream) -> Result<TokenStream> {
    let Some(Member { access, .. }) = only(members, "time", |of| of.time.as_ref())? else {
        return Ok(TokenStream::new());
    };
    Ok(quote! {
        fn time(&self) -> ::core::option::Option<f64> {
            #observe::__private::time_of(&self.#access)
        }
    })
}

fn is_task(of: &OfStruct) -> TokenStream {
    if !of.is_task {
        return TokenStream::new();
    }
    quote! {
        fn is_task(&self) -> bool {
            true
        }
    }
}

/// The generics, with a bound for each type that has to be a value or an object.
fn bounded(generics: &Generics, of: &OfStruct, members: &[Member<'_>], observe: &TokenStream) -> Generics {
    let mut bounded = generics.clone();
    if generics.type_params().next().is_none() {
        return bounded;
    }
    let wanted = bounded.make_where_clause();
    for member in members {
        let ty = member.ty;
        if member.is_value(of) {
            wanted.predicates.push(parse_quote!(#ty: #observe::AsValue));
        } else if member.of.is_nested() {
            wanted.predicates.push(parse_quote!(#ty: #observe::Observe));
        }
    }
    bounded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(source: &str) -> String {
        let input = syn::parse_str(source).expect("an item");
        expand(&input, &quote!(::scope)).expect_err(source).to_string()
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let for_structs = "`Observe` is derived for structs; others implement it";
        let one_form = "a field has one of `with`, `debug`, `redact`, `nested`";
        let not_dumped = "the field is not dumped: say `input` or `output` as well";
        let told = "records tell the name and the time of an object";
        let table = [
            ("union U { a: u8 }", for_structs),
            ("enum E { A }", for_structs),
            ("#[observe(debug)] struct S;", "a struct has `name`, `task`, `input`, `output`, `group`, `also`"),
            ("#[observe(task, task)] struct S;", "this stands here twice"),
            ("struct S { #[observe(input)] #[observe(input)] a: u8 }", "this stands here twice"),
            ("struct S { #[observe(input, nested, redact)] a: T }", one_form),
            ("struct S { #[observe(input, redact, with = f)] a: T }", one_form),
            ("struct S(#[observe(redact)] u8);", not_dumped),
            ("struct S { #[observe(rename = \"b\")] a: u8 }", not_dumped),
            ("#[observe(input)] struct S { #[observe(time, debug)] a: u8 }", not_dumped),
            ("struct S { #[observe(input, name, redact)] a: String }", told),
            ("struct S { #[observe(input, time, redact)] a: f64 }", told),
            ("struct S { #[observe(nested, group = \"g\")] a: T }", "a nested object has groups of its own"),
            ("struct S { #[observe(skip, input)] a: u8 }", "a field that is skipped has nothing else"),
            ("struct S(#[observe(time)] f64, #[observe(time)] f64);", "another field is the time already"),
            ("struct S(#[observe(name)] String, #[observe(name)] String);", "another field is the name already"),
            ("#[observe(name = \"s\")] struct S(#[observe(name)] String);", "a field is the name already"),
        ];
        for (source, expected) in table {
            assert_eq!(refusal(source), expected, "{source}");
        }
        // In the words of the parser.
        for words in ["#[observe]", "#[observe(task = 1)]", "#[observe(group = 1)]"] {
            refusal(&format!("{words} struct S;"));
        }
        let unknown = refusal("struct S { #[observe(inptu)] a: u8 }");
        assert!(unknown.starts_with("a field has `input`, `output`"), "{unknown}");
    }
}
