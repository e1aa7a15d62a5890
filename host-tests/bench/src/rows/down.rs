//! Members whose brokers have gone and refuse connections, with default configurations, at the same time.

use super::idle::SETTLE;
use crate::broker::Broker;
use crate::programs::{Running, Who};
use crate::table::Row;
use crate::Error;
use nanokafka_bench::usage;
use nanokafka_brokers::Kafka;
use std::thread::sleep;
use std::time::Duration;

/// Less than a session: they are members all the time.
const SPAN: Duration = Duration::from_secs(30);

pub fn run(_: &mut Broker) -> Result<Vec<Row>, Error> {
    // others need theirs
    let kafka = Kafka::single()?;
    let mut members = vec![];
    for protocol in ["classic", "consumer"] {
        kafka.admin(&format!("create {protocol} 1 1"))?;
        let bootstrap = kafka.bootstrap();
        let options = format!("bootstrap={bootstrap} topic={protocol} group={protocol} protocol={protocol}");
        members.push((protocol, Who::Nanokafka.start("idle", &options)?));
    }
    sleep(SETTLE);
    for (group, _) in &members {
        let state = kafka.admin(&format!("group {group}"))?;
        if !state.starts_with("Stable") {
            return Err(format!("no member of the group {group}: {state}").into());
        }
    }
    drop(kafka);
    sleep(SETTLE);
    let before: Vec<_> = members.iter().map(|(_, member)| usage::cpu(&member.id())).collect();
    sleep(SPAN);
    let row = |((protocol, member), before): (&mut (&str, Running), Duration)| {
        let percent = 100.0 * (usage::cpu(&member.id()) - before).as_secs_f64() / SPAN.as_secs_f64();
        member.goes_on()?;
        let figure = "all brokers down, member of a group, polled with 1 s: CPU of one core";
        Ok(Row::limited(figure, format!("`{protocol}`"), percent, 0.5, format!("{percent:.3} %")))
    };
    members.iter_mut().zip(before).map(row).collect()
}
