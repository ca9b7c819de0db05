//! `SET [SESSION | LOCAL] name {= | TO} {value, .. | DEFAULT}`, `SET TIME ZONE ..`, `RESET name`, `SHOW name`, `DISCARD ..`

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetVariable {
    /// Lower case, dotted.
    pub name: String,
    pub position: usize,
    /// Until the end of the transaction only.
    pub local: bool,
    pub value: VariableValue,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VariableValue {
    Default,
    /// The values as text: bare words and strings lose their quotes, numbers keep their form.
    Values(Vec<String>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResetVariable {
    /// `None` for `RESET ALL`.
    pub name: Option<String>,
    pub position: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShowVariable {
    /// `None` for `SHOW ALL`.
    pub name: Option<String>,
    pub position: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Discard {
    All,
    Plans,
    Sequences,
    Temp,
}
