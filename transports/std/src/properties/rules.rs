//! What becomes of a value: set, refused or passed over with a word.
use super::keys::KEYS;
use super::{Texts, WarningKind};
use nanokafka::{Assignor, Config};
use std::time::Duration;

/// What a key does.
pub(super) enum Rule {
    /// Any text but the empty one.
    Text(fn(&mut Texts) -> &mut String),
    /// Any text; the empty one leaves the default.
    OptionalText(fn(&mut Texts) -> &mut String),
    /// 1 to 2147483647 ms.
    Millis(Field<Duration>),
    /// From here to 2147483647 bytes.
    Bytes(u32, Field<u32>),
    /// True or false.
    Flag(Field<bool>),
    /// One of these.
    Choice(&'static [(&'static str, Setter)]),
    /// `partition.assignment.strategy`: a list in the order of preference.
    Assignors,
    /// Not supported but for these values, which are what happens anyway; the reason.
    Only(&'static [&'static str], &'static str),
    /// Not supported; left empty or with Java's default it says nothing. The reason.
    Unset(&'static str, &'static str),
    /// Not supported, and the value is not to be shown; the reason.
    Secret(&'static str),
    /// Without effect. The value is of this kind; one that is not listed deserves a warning with the reason.
    Inert(Kind, &'static [&'static str], &'static str),
    /// Without effect and without a word.
    Ignored,
}

pub(super) type Setter = fn(&mut Config<'static>);
pub(super) type Field<T> = for<'c> fn(&'c mut Config<'static>) -> &'c mut T;

/// Of values without effect.
pub(super) enum Kind {
    Any,
    Boolean,
    /// Not below this.
    Number(i64),
}

impl Rule {
    /// Sets what there is to set.
    ///
    /// # Errors
    /// What is allowed.
    pub fn apply(
        &self,
        value: &str,
        config: &mut Config<'static>,
        texts: &mut Texts,
    ) -> Result<Option<WarningKind>, String> {
        let is_value = |allowed: &&str| value.eq_ignore_ascii_case(allowed);
        match self {
            Rule::Text(_) if value.is_empty() => return Err("left out or not empty".to_owned()),
            Rule::OptionalText(_) if value.is_empty() => {}
            Rule::Text(field) | Rule::OptionalText(field) => value.clone_into(field(texts)),
            Rule::Millis(field) => *field(config) = Duration::from_millis(number(value, 1, INT_MAX)? as u64),
            Rule::Bytes(least, field) => *field(config) = number(value, (*least).into(), INT_MAX)? as u32,
            Rule::Flag(field) => *field(config) = flag(value)?,
            Rule::Choice(choices) => match choices.iter().find(|(name, _)| is_value(name)) {
                Some((_, set)) => set(config),
                None => return Err(choices.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(" or ")),
            },
            Rule::Assignors => texts.assignors = value.split(',').map(assignor).collect::<Result<_, _>>()?,
            Rule::Only(values, why) if !values.iter().any(is_value) => {
                return Err(format!("{} ({why})", values.join(" or ")));
            }
            Rule::Unset(default, why) if !value.is_empty() && !is_value(default) => {
                return Err(format!("left out ({why})"));
            }
            Rule::Secret(why) if !value.is_empty() => return Err(format!("left out ({why})")),
            Rule::Inert(kind, silent, why) => {
                match kind {
                    Kind::Any => {}
                    Kind::Boolean => drop(flag(value)?),
                    Kind::Number(least) => drop(number(value, *least, i64::MAX)?),
                }
                return Ok((!silent.iter().any(is_value)).then_some(WarningKind::NoEffect { why }));
            }
            Rule::Only(..) | Rule::Unset(..) | Rule::Secret(_) | Rule::Ignored => {}
        }
        Ok(None)
    }

    pub fn is_secret(&self) -> bool {
        matches!(self, Rule::Secret(_))
    }
}

/// Java's `int` ends there, and so do Kafka's times and sizes on the wire.
const INT_MAX: i64 = i32::MAX as i64;

fn number(value: &str, least: i64, most: i64) -> Result<i64, String> {
    let number = value.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("a number from {least} to {most}"))
}

fn flag(value: &str) -> Result<bool, String> {
    value.to_ascii_lowercase().parse().map_err(|_| "true or false".to_owned())
}

/// By the name of Java's class, or by the one that goes to the group.
fn assignor(name: &str) -> Result<Assignor, String> {
    const PACKAGE: &str = "org.apache.kafka.clients.consumer.";
    let name = name.trim();
    Ok(match name.strip_prefix(PACKAGE).unwrap_or(name) {
        "RangeAssignor" | "range" => Assignor::Range,
        "RoundRobinAssignor" | "roundrobin" => Assignor::RoundRobin,
        "StickyAssignor" | "sticky" => Assignor::Sticky,
        "CooperativeStickyAssignor" | "cooperative-sticky" => Assignor::CooperativeSticky,
        _ => return Err("a list of range, roundrobin, sticky and cooperative-sticky, or of Java's classes".to_owned()),
    })
}

/// The rule of a known key.
pub(super) fn rule(key: &str) -> Option<&'static Rule> {
    let is_of = |name: &str| if name.ends_with('.') { key.starts_with(name) } else { key == name };
    KEYS.iter().find(|(name, _)| is_of(name)).map(|(_, rule)| rule)
}

/// The known key with the least edit distance, where `GROUP_ID` is as good as `group.id`.
pub(super) fn nearest(key: &str) -> &'static str {
    let key: String = key.chars().take(64).collect(); // longer than any of them; no file may take long
    let key = key.to_ascii_lowercase().replace('_', ".");
    let names = KEYS.iter().map(|(name, _)| *name).filter(|name| !name.ends_with('.'));
    names.min_by_key(|name| distance(&key, name)).unwrap_or_default()
}

/// Levenshtein's, row by row.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (to, cell) in b.bytes().zip(row.iter_mut().skip(1)) {
            let replaced = diagonal + usize::from(from != to);
            diagonal = *cell;
            left = replaced.min(left + 1).min(diagonal + 1);
            *cell = left;
        }
        row[0] = i + 1;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_key_has_two_rows() {
        let mut seen = HashSet::new();
        for (name, _) in KEYS {
            assert!(seen.insert(name), "{name}");
        }
    }

    #[test]
    fn every_row_is_found_by_its_own_name() {
        for (name, rule) in KEYS {
            assert!(std::ptr::eq(super::rule(name).unwrap(), rule), "{name}");
        }
        assert!(rule("metrics.context.region").is_some());
        assert!(rule("metrics").is_none());
    }

    #[test]
    fn distances_are_levenshteins() {
        for (a, b, edits) in [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("ab", "ba", 2)] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }

    #[test]
    fn a_misspelt_key_is_recognised() {
        for (misspelt, meant) in [
            ("group_id", "group.id"),
            ("groupId", "group.id"),
            ("BOOTSTRAP_SERVERS", "bootstrap.servers"),
            ("bootstrap.server", "bootstrap.servers"),
            ("fetch.wait.max.ms", "fetch.max.wait.ms"),
            ("enable.auto.comit", "enable.auto.commit"),
            ("ssl.trustore.location", "ssl.truststore.location"),
            ("", "group.id"),
        ] {
            assert_eq!(nearest(misspelt), meant, "{misspelt}");
        }
    }
}
