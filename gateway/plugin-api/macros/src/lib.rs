//! The attribute `#[plugin]` of `kyc-plugin-api`.
//!
//! The gateway calls only the hooks that a plugin declares, so that a hook that nobody implements costs nothing. Declared by
//! hand, a hook could be implemented and forgotten in the declaration; it would then never run, and nothing would say so. The
//! attribute therefore writes the declaration from the names of the methods in the `impl` block.

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

/// Declares the hooks of an `impl Plugin for …` block: each one that the block implements, and no other.
///
/// It writes the method `phases`. A block without the attribute, or one that has a `phases` of its own beside it, does not
/// compile. It may stand before or after `#[async_trait]`.
#[proc_macro_attribute]
pub fn plugin(arguments: TokenStream, item: TokenStream) -> TokenStream {
    if !arguments.is_empty() {
        return error("`#[plugin]` takes no arguments");
    }
    let mut tokens: Vec<TokenTree> = item.into_iter().collect();
    let Some(TokenTree::Group(body)) = tokens.pop().filter(|_| is_impl(&tokens)) else {
        return error("`#[plugin]` stands on an `impl Plugin for …` block");
    };
    if body.delimiter() != Delimiter::Brace {
        return error("`#[plugin]` stands on an `impl Plugin for …` block");
    }
    let Some(names) = functions(body.stream()) else {
        return error("`#[plugin]` sees no methods that a macro writes: write the hooks out");
    };
    let mut methods = body.stream();
    methods.extend(declaration(&names));
    let mut whole = Group::new(Delimiter::Brace, methods);
    whole.set_span(body.span());
    tokens.push(TokenTree::Group(whole));
    tokens.into_iter().collect()
}

/// Says whether these tokens open an `impl` block of the trait `Plugin`.
fn is_impl(tokens: &[TokenTree]) -> bool {
    let has = |word: &str| {
        tokens.iter().any(|token| matches!(token, TokenTree::Ident(ident) if ident.to_string() == word))
    };
    has("impl") && has("Plugin") && has("for")
}

/// The names of the functions of a block; `None` where a macro stands among them, whose functions cannot be seen.
fn functions(body: TokenStream) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let (mut is_name, mut is_macro) = (false, false);
    for token in body {
        let was_ident = is_macro;
        is_macro = false;
        match token {
            TokenTree::Ident(ident) if is_name => {
                names.push(ident.to_string().trim_start_matches("r#").to_owned());
                is_name = false;
            }
            TokenTree::Ident(ident) => (is_name, is_macro) = (ident.to_string() == "fn", true),
            // What a macro's variable stands for, such as `$method:item`.
            TokenTree::Group(group) if group.delimiter() == Delimiter::None => {
                names.extend(functions(group.stream())?);
                is_name = false;
            }
            TokenTree::Punct(punct) if was_ident && punct.as_char() == '!' => return None,
            TokenTree::Group(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => is_name = false,
        }
    }
    Some(names)
}

fn declaration(functions: &[String]) -> TokenStream {
    let declared: String = HOOKS
        .iter()
        .filter(|(hook, _)| functions.iter().any(|name| name == hook))
        .map(|(_, phase)| format!("| ::kyc_plugin_api::Phases::{phase}"))
        .collect();
    let text = format!(
        "fn phases(&self) -> ::kyc_plugin_api::Phases {{ ::kyc_plugin_api::Phases::NONE {declared} }}"
    );
    text.parse().unwrap_or_default()
}

fn error(message: &str) -> TokenStream {
    format!("::core::compile_error!({message:?});").parse().unwrap_or_default()
}

/// The hooks, and the phases that they declare.
const HOOKS: [(&str, &str); 6] = [
    ("request_filter", "REQUEST"),
    ("request_body_filter", "REQUEST_BODY"),
    ("upstream_request_filter", "UPSTREAM_REQUEST"),
    ("response_filter", "RESPONSE"),
    ("response_body_filter", "RESPONSE_BODY"),
    ("logging", "LOGGING"),
];
