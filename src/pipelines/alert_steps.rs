//! From what an alert was to what it is: pure, so that every way can be tried.
//!
//! It fires on the edge, when there are rows and for long enough, and not again while they stay, except as often as `repeat_every` says. A
//! query that cannot be asked says nothing about the rows: the alert goes on from where it stood.

use weir_catalog::{AlertState, AlertWord, events};

use crate::clock::Micros;

/// What the definition says of its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rules {
    /// How long there must be rows.
    pub(super) hold: Micros,
    pub(super) repeat_every: Option<Micros>,
    pub(super) notify_resolved: bool,
}

/// What the query gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    Rows(i64),
    Error(String),
}

/// Which acts follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Acts {
    None,
    Fire,
    Resolve,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) state: AlertState,
    pub(super) acts: Acts,
    /// The word of its line of history, when it gets one.
    pub(super) past: Option<AlertWord>,
    /// The type of its event, when it is one.
    pub(super) event: Option<&'static str>,
}

pub(super) fn step(before: &AlertState, found: &Found, rules: &Rules, now: Micros) -> Step {
    let had_error = before.word == AlertWord::Error;
    let stood = if had_error { before.before_error } else { before.word };
    let rows = match found {
        Found::Rows(rows) => *rows,
        Found::Error(error) => {
            let state = AlertState {
                word: AlertWord::Error,
                before_error: stood,
                checked_at: Some(now),
                error: Some(error.clone()),
                ..before.clone()
            };
            let (past, event) = if had_error { (None, None) } else { (Some(AlertWord::Error), Some(events::ALERT_FAILED)) };
            return Step { state, acts: Acts::None, past, event };
        }
    };
    let held = before.since.is_some_and(|since| now.saturating_sub(since) >= rules.hold);
    let (word, acts, event) = match (stood, rows > 0) {
        (AlertWord::Firing, true) => match rules.repeat_every {
            Some(every) if before.acted_at.is_none_or(|at| now.saturating_sub(at) >= every) => (AlertWord::Firing, Acts::Fire, None),
            _ => (AlertWord::Firing, Acts::None, None),
        },
        (AlertWord::Firing, false) if rules.notify_resolved => (AlertWord::Ok, Acts::Resolve, Some(events::ALERT_RESOLVED)),
        (AlertWord::Firing, false) => (AlertWord::Ok, Acts::None, Some(events::ALERT_RESOLVED)),
        (_, false) => (AlertWord::Ok, Acts::None, None),
        (AlertWord::Pending, true) if !held => (AlertWord::Pending, Acts::None, None),
        (AlertWord::Pending, true) => (AlertWord::Firing, Acts::Fire, Some(events::ALERT_FIRING)),
        (_, true) if rules.hold > 0 => (AlertWord::Pending, Acts::None, None),
        (_, true) => (AlertWord::Firing, Acts::Fire, Some(events::ALERT_FIRING)),
    };
    let moved = word != stood;
    let acts_again = acts == Acts::Fire && !moved;
    let state = AlertState {
        word,
        before_error: AlertWord::Ok,
        since: if moved || before.since.is_none() { Some(now) } else { before.since },
        checked_at: Some(now),
        fired_at: if moved && word == AlertWord::Firing { Some(now) } else { before.fired_at },
        acted_at: if acts == Acts::Fire { Some(now) } else { before.acted_at },
        number: if acts == Acts::None { before.number } else { before.number.saturating_add(1) },
        rows,
        error: None,
    };
    let past = if acts_again { Some(AlertWord::Repeated) } else { (moved || had_error).then_some(word) };
    Step { state, acts, past, event }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Micros = 60_000_000;

    /// Asked once a minute: rows, or -1 for an error. The words it takes, with `!` where it acts and `^` where that it is over is told.
    fn course(rules: Rules, found: &[i64]) -> String {
        let mut state = AlertState::default();
        let mut words = Vec::new();
        for (minute, rows) in (0..).zip(found) {
            let found = if *rows < 0 { Found::Error("broken".into()) } else { Found::Rows(*rows) };
            let step = step(&state, &found, &rules, minute * MINUTE);
            let mark = match step.acts {
                Acts::None => "",
                Acts::Fire => "!",
                Acts::Resolve => "^",
            };
            words.push(format!("{}{mark}", format!("{:?}", step.state.word).to_lowercase()));
            state = step.state;
        }
        words.join(" ")
    }

    #[test]
    fn it_fires_on_the_edge() {
        let rules = Rules::default();
        assert_eq!(course(rules, &[0, 1, 5, 1, 0, 0, 2]), "ok firing! firing firing ok ok firing!");
        assert_eq!(course(Rules { notify_resolved: true, ..rules }, &[1, 0, 0, 1]), "firing! ok^ ok firing!");
    }

    #[test]
    fn it_waits_as_long_as_it_is_told() {
        let rules = Rules { hold: 2 * MINUTE, ..Rules::default() };
        assert_eq!(course(rules, &[1, 1, 1, 1]), "pending pending firing! firing");
        // What goes away in between starts anew, and was never told: nothing is resolved.
        assert_eq!(course(Rules { notify_resolved: true, ..rules }, &[1, 1, 0, 1, 1, 1]), "pending pending ok pending pending firing!");
    }

    #[test]
    fn it_repeats_only_as_often_as_it_is_told() {
        let rules = Rules { repeat_every: Some(2 * MINUTE), ..Rules::default() };
        assert_eq!(course(rules, &[1, 1, 1, 1, 1, 0, 1]), "firing! firing firing! firing firing! ok firing!");
    }

    #[test]
    fn an_error_says_nothing_about_the_rows() {
        assert_eq!(course(Rules::default(), &[1, -1, -1, 1, 0]), "firing! error error firing ok");
        assert_eq!(course(Rules::default(), &[-1, 0, -1, 1]), "error ok error firing!");
        let held = Rules { hold: 2 * MINUTE, ..Rules::default() };
        assert_eq!(course(held, &[1, -1, 1]), "pending error firing!");
        // Over while nobody could look: told once.
        let told = Rules { notify_resolved: true, ..Rules::default() };
        assert_eq!(course(told, &[1, -1, 0, 0]), "firing! error ok^ ok");
    }

    #[test]
    fn each_step_that_is_one_is_told_once() {
        let rules = Rules::default();
        let mut state = AlertState::default();
        let mut told = Vec::new();
        for (minute, rows) in [(0, 1), (1, 1), (2, -1), (3, -1), (4, 1), (5, 0)] {
            let found = if rows < 0 { Found::Error("broken".into()) } else { Found::Rows(rows) };
            let step = step(&state, &found, &rules, minute * MINUTE);
            told.push((step.past, step.event));
            state = step.state;
        }
        let expected = [
            (Some(AlertWord::Firing), Some(events::ALERT_FIRING)),
            (None, None),
            (Some(AlertWord::Error), Some(events::ALERT_FAILED)),
            (None, None),
            (Some(AlertWord::Firing), None),
            (Some(AlertWord::Ok), Some(events::ALERT_RESOLVED)),
        ];
        assert_eq!(told, expected);
        assert_eq!((state.number, state.fired_at, state.since), (1, Some(0), Some(5 * MINUTE)));
    }
}
