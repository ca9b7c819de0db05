//! `CANCEL RUN 'id'`

#[derive(Debug, Clone, PartialEq)]
pub struct CancelRun {
    pub run_id: String,
    pub position: usize,
}
