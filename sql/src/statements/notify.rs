//! `LISTEN channel`, `UNLISTEN {channel | *}`, `NOTIFY channel [, 'payload']`

use crate::Ident;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bus {
    Listen(Ident),
    /// `None` for `*`.
    Unlisten(Option<Ident>),
    Notify {
        channel: Ident,
        payload: Option<String>,
    },
}
