//! Every scheme. A file each, or one for a family that shares its whole body.
//!
//! A definition's `verify = '..'` is one of [`NAMES`].

mod basic;
mod body_hmac;
mod generic;
mod graph;
mod hubspot;
mod meta;
mod networks;
mod organization;
mod salesforce;
mod scheme;
mod slack;
mod standard;
mod stripe;
mod template;
mod token;

pub use basic::Basic;
pub use body_hmac::{GitHub, Shopify};
pub use generic::{Generic, GenericOptions, SignedTime};
pub use graph::Graph;
pub use hubspot::{HubSpot, HubSpotVersion, SignedUrl};
pub use meta::Meta;
pub use networks::Networks;
pub use salesforce::Salesforce;
pub use scheme::{Place, Scheme};
pub use slack::Slack;
pub use standard::{HeaderNames, Standard};
pub use stripe::Stripe;
pub use token::Token;

pub use crate::window::Unit;

/// The names that definitions use, in the order of the reference. `svix` is `standard` with Svix' header names; `prestashop` is not
/// among them: its core sends nothing and its modules sign each in its own way, which `hmac` covers (see [`Generic`]).
pub const NAMES: &[&str] = &[
    "shopify",
    "github",
    "stripe",
    "hubspot",
    "salesforce",
    "slack",
    "standard",
    "svix",
    "meta",
    "graph",
    "hmac",
    "basic",
    "token",
    "networks",
];
