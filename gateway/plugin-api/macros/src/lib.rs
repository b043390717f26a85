//! The attribute `#[plugin]` of `kyc-plugin-api`.
//!
//! The gateway calls only the hooks that a plugin declares, so that a hook without an implementation costs nothing. In a handwritten
//! declaration a hook could be forgotten; it would then never run, without any error. So the attribute generates the declaration from
//! the names of the methods in the `impl` block.

use proc_macro::{Delimiter, Group, TokenStream, TokenTree};

/// Declares the hooks of an `impl Plugin for …` block: each one that the block implements, and no other.
///
/// It generates the method `phases`. A block without the attribute, or with the attribute and its own `phases`, does not compile. The
/// attribute may be placed before or after `#[async_trait]`.
#[proc_macro_attribute]
pub fn plugin(arguments: TokenStream, item: TokenStream) -> TokenStream {
    if !arguments.is_empty() {
        return error("`#[plugin]` takes no arguments");
    }
    let mut tokens: Vec<TokenTree> = item.into_iter().collect();
    let Some(TokenTree::Group(body)) = tokens.pop().filter(|_| is_impl(&tokens)) else {
        return error("`#[plugin]` must be placed on an `impl Plugin for …` block");
    };
    if body.delimiter() != Delimiter::Brace {
        return error("`#[plugin]` must be placed on an `impl Plugin for …` block");
    }
    let Some(names) = functions(body.stream()) else {
        return error(
            "`#[plugin]` cannot see methods that a macro generates: write the hooks without a macro",
        );
    };
    let mut methods = body.stream();
    methods.extend(declaration(&names));
    let mut whole = Group::new(Delimiter::Brace, methods);
    whole.set_span(body.span());
    tokens.push(TokenTree::Group(whole));
    tokens.into_iter().collect()
}

/// Returns whether these tokens begin an `impl` block of the trait `Plugin`.
fn is_impl(tokens: &[TokenTree]) -> bool {
    let has = |word: &str| {
        tokens.iter().any(|token| matches!(token, TokenTree::Ident(ident) if ident.to_string() == word))
    };
    has("impl") && has("Plugin") && has("for")
}

/// Returns the names of the functions of a block; `None` if it contains a macro call, whose functions are not visible.
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
            // The expansion of a macro variable, such as `$method:item`.
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

/// The hooks and their phases.
const HOOKS: [(&str, &str); 7] = [
    ("request_filter", "REQUEST"),
    ("request_body_filter", "REQUEST_BODY"),
    ("upstream_request_filter", "UPSTREAM_REQUEST"),
    ("response_filter", "RESPONSE"),
    ("response_body_filter", "RESPONSE_BODY"),
    ("buffered_response_filter", "BUFFERED_RESPONSE"),
    ("logging", "LOGGING"),
];
