//! The implementation that a struct gets.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Data, DeriveInput, Error, Field, Generics, Index, Result, Type, parse_quote};

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
    let members = members(input)?;
    let observe = quote!(#scope::observe);
    let (enter, exit) =
        (dumps(&of, &members, &observe, |phases| phases.enter), dumps(&of, &members, &observe, |phases| phases.exit));
    let also = of.also.as_ref().map(|also| quote!(#also(self, phase, method, out);));
    let others = [name(&of, &members)?, type_name(input), time(&members, &observe), is_task(&of)];
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

fn members(input: &DeriveInput) -> Result<Vec<Member<'_>>> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(&input.ident, "`Observe` is derived for structs; others implement it"));
    };
    data.fields.iter().enumerate().map(|(at, field)| Member::read(at, field)).collect()
}

/// The statements that dump fields in one phase.
fn dumps(
    of: &OfStruct,
    members: &[Member<'_>],
    observe: &TokenStream,
    is_due: impl Fn(Phases) -> bool,
) -> Vec<TokenStream> {
    let due = members.iter().filter(|member| is_due(member.phases(of)));
    due.map(|member| member.dump(of, observe)).collect()
}

impl<'a> Member<'a> {
    fn read(at: usize, field: &'a Field) -> Result<Self> {
        let access = field.ident.as_ref().map_or_else(|| Index::from(at).to_token_stream(), ToTokens::to_token_stream);
        let name = access.to_string().trim_start_matches("r#").to_owned();
        Ok(Self { access, name, ty: &field.ty, of: OfField::read(&field.attrs)? })
    }

    /// When it is dumped: as it says, else as its struct says of all fields. A nested object chooses itself.
    fn phases(&self, of: &OfStruct) -> Phases {
        match () {
            () if self.of.is_skipped => Phases::default(),
            () if self.of.phases.is_any() => self.of.phases,
            () if self.of.is_nested => Phases::both(),
            () if self.of.is_name || self.of.is_time => Phases::default(),
            () => of.phases,
        }
    }

    fn dump(&self, of: &OfStruct, observe: &TokenStream) -> TokenStream {
        let (access, name) = (&self.access, self.of.rename.as_ref().unwrap_or(&self.name));
        if self.of.is_nested {
            return quote! {
                out.nested(#name, |out| #observe::Observe::observe(&self.#access, phase, method, out));
            };
        }
        let value = match &self.of.form {
            Form::Plain => quote!(&self.#access),
            Form::With(with) => quote!(&#with(&self.#access)),
            Form::Debug => quote!(&#observe::Shown(&self.#access)),
            Form::Redacted => quote!(#observe::__private::HIDDEN),
        };
        let group = self.of.group.as_ref().or(of.group.as_ref()).map_or(DEFAULT_GROUP, String::as_str);
        // What a function makes of a value may be dear.
        quote! {
            if out.wants_values() {
                out.group(#group).value(#name, #value);
            }
        }
    }

    /// Whether its type has to be a value.
    fn is_value(&self, of: &OfStruct) -> bool {
        let is_dumped = self.phases(of).is_any() && !self.of.is_nested && matches!(self.of.form, Form::Plain);
        is_dumped || self.of.is_time
    }
}

fn name(of: &OfStruct, members: &[Member<'_>]) -> Result<TokenStream> {
    let field = members.iter().find(|member| member.of.is_name);
    let text = match (&of.name, field) {
        (Some(name), Some(_)) => return Err(Error::new_spanned(name, "a field is the name already")),
        (Some(name), None) => quote!(#name),
        (None, Some(Member { access, .. })) => quote!(self.#access),
        (None, None) => return Ok(TokenStream::new()),
    };
    Ok(quote! {
        fn name(&self) -> ::std::borrow::Cow<'_, str> {
            ::std::borrow::Cow::Borrowed(::core::convert::AsRef::<str>::as_ref(&#text))
        }
    })
}

fn type_name(input: &DeriveInput) -> TokenStream {
    let name = input.ident.to_string();
    quote! {
        fn type_name(&self) -> &str {
            #name
        }
    }
}

fn time(members: &[Member<'_>], observe: &TokenStream) -> TokenStream {
    let Some(Member { access, .. }) = members.iter().find(|member| member.of.is_time) else {
        return TokenStream::new();
    };
    quote! {
        fn time(&self) -> ::core::option::Option<f64> {
            #observe::__private::time_of(&self.#access)
        }
    }
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
        } else if member.of.is_nested {
            wanted.predicates.push(parse_quote!(#ty: #observe::Observe));
        }
    }
    bounded
}
