//! A process: an application over one of the front ends. Both do the same with what a poll brings; they differ in how they wait.
use crate::plan::{Commits, Front, Style, GROUP};
use crate::world::World;
use nanokafka::{
    Async, Config, Consumer, Event, Instant, LargeRecords, OffsetReset, PartitionOffset, Record, Records, Seed,
    Storage, Superloop, Tend, TopicPartition,
};
use nanokafka_scripted::Net;
use std::cell::RefCell;
use std::future::{poll_fn, Future};
use std::pin::{pin, Pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

pub(crate) type Shared = Rc<RefCell<World>>;

/// What an application does after it took a record.
enum Next {
    More,
    /// It takes this long.
    Work(u64),
    Commit,
    Stop,
}

/// What an application does after an event.
enum Then {
    Poll,
    Commit,
    CommitAsync,
    CommitOffsets,
}

/// A superloop gives a commit up after this time.
const PATIENCE_MS: u64 = 6_000;

pub(crate) fn config(style: &Style, name: &'static str, servers: &'static str) -> Config<'static> {
    let ms = Duration::from_millis;
    let config = Config::new(servers)
        .client_id(name)
        .group_id(GROUP)
        .auto_offset_reset(OffsetReset::Earliest)
        .max_poll_interval(ms(style.max_poll_ms))
        .enable_auto_commit(matches!(style.commits, Commits::Auto | Commits::Marks))
        .auto_commit_marks(style.commits == Commits::Marks)
        .auto_commit_interval(ms(style.auto_commit_ms))
        .fetch_max_wait(ms(style.fetch_wait_ms))
        .max_partition_fetch_bytes(style.partition_bytes)
        .request_timeout(ms(4_000))
        .default_api_timeout(ms(8_000))
        .group_protocol(style.protocol);
    let config = if style.skips_large { config.large_records(LargeRecords::Skip) } else { config };
    let config = match style.broker_assigns {
        true => config,
        false => config
            .session_timeout(ms(style.session_ms))
            .heartbeat_interval(ms(style.heartbeat_ms))
            .partition_assignment_strategy(style.assignors),
    };
    style.instance.map_or(config, |instance| config.group_instance_id(instance))
}

/// Runs a process until it has closed.
pub(crate) fn process(
    shared: Shared,
    id: usize,
    config: Config<'static>,
    topics: Vec<&'static str>,
) -> Pin<Box<dyn Future<Output = ()>>> {
    let (net, style) = {
        let world = shared.borrow();
        (world.members[id].net.clone(), world.members[id].style.clone())
    };
    let mut random = shared.borrow().members[id].random.clone();
    let mut seed = [0; 32];
    seed.iter_mut().for_each(|byte| *byte = random.number() as u8);
    let (seed, partitions) = (Seed::new(seed), shared.borrow().logs.len());
    let storage = Storage::boxed(partitions, style.connections, style.window);
    match style.front {
        Front::Superloop => {
            let consumer = Consumer::new(storage, config, Superloop, seed).expect("a configuration");
            Box::pin(superloop(shared, id, consumer, net, topics))
        }
        Front::Async | Front::Impatient(_) => {
            let consumer = Consumer::new(storage, config, net, seed).expect("a configuration");
            let impatience = if let Front::Impatient(ms) = style.front { ms } else { u64::MAX };
            Box::pin(asynchronous(shared, id, consumer, impatience, topics))
        }
    }
}

/// Time passes.
async fn nap(shared: &Shared, id: usize, millis: u64) {
    let until = shared.borrow().cluster.millis().saturating_add(millis);
    poll_fn(|cx| {
        let mut world = shared.borrow_mut();
        if world.cluster.millis() >= until {
            return Poll::Ready(());
        }
        world.members[id].deadline = until;
        world.naps.push((until, cx.waker().clone()));
        Poll::Pending
    })
    .await;
}

/// The application works, and its consumer can do nothing.
async fn deaf(shared: &Shared, id: usize, millis: u64) {
    shared.borrow_mut().members[id].deaf = true;
    nap(shared, id, millis).await;
    shared.borrow_mut().members[id].deaf = false;
}

/// A turn of a superloop that has nothing to do: bytes may move, or `next` comes.
async fn turn(shared: &Shared, id: usize, next: Instant) {
    let mut waited = false;
    shared.borrow_mut().members[id].deadline = next.as_millis();
    poll_fn(|_| if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

fn closing(shared: &Shared, id: usize) -> bool {
    shared.borrow().members[id].closing
}

fn commits(shared: &Shared, id: usize) -> Commits {
    shared.borrow().members[id].style.commits
}

/// The next record, what is true of it, and what the application decides.
fn take<'c, IO: Tend>(
    shared: &Shared,
    id: usize,
    part: usize,
    records: &mut Records<'c, IO>,
) -> Option<(Record<'c>, Next)> {
    shared.borrow_mut().before_next(id);
    let record = records.next()?;
    let mut world = shared.borrow_mut();
    let (key, value) = (record.key().unwrap_or_default(), record.value().unwrap_or_default());
    world.delivered(id, part, record.offset(), Some((key, value)), false);
    let style = world.members[id].style.clone();
    let dice = world.members[id].random.below(1_000);
    if style.commits == Commits::Marks && !dice.is_multiple_of(3) {
        world.mark(id, part);
        records.mark(&record);
    }
    if world.healed {
        return Some((record, Next::More));
    }
    if dice < style.restless {
        match dice % 4 {
            0 => {
                let back = record.offset() - world.members[id].random.below(30) as i64;
                let target = back.max(world.logs[part].start);
                records.seek(target).expect("an offset");
                world.sought(id, part, target);
            }
            1 if dice % 8 == 1 => {
                let target = record.offset() + 1 + world.members[id].random.below(6) as i64;
                let log = &world.logs[part];
                let end = world.cluster.partition(log.topic, log.partition).high_watermark();
                records.seek(target.min(end)).expect("an offset");
                world.sought(id, part, target.min(end));
            }
            1 | 2 => {
                records.pause();
                world.paused(id, part, true);
            }
            _ => return Some((record, Next::Stop)),
        }
        return Some((record, Next::More));
    }
    let dice = world.members[id].random.below(1_000);
    if dice < style.slow {
        world.counts.add("long work", 1);
        return Some((record, Next::Work(1 + world.members[id].random.below(style.slow_ms))));
    }
    if style.commits == Commits::Records && dice > 800 {
        world.mark(id, part);
        return Some((record, Next::Commit));
    }
    Some((record, Next::More))
}

/// An event that needs no front end.
fn told<IO>(shared: &Shared, id: usize, event: Event<'_, IO>) {
    let mut world = shared.borrow_mut();
    match event {
        Event::Assigned(partitions) => world.assigned(id, partitions),
        Event::Revoked(partitions) => world.revoked(id, partitions, false),
        Event::Lost(partitions) => world.revoked(id, partitions, true),
        Event::EndOfPartition(_) => world.counts.add("ends of partitions", 1),
        Event::Skipped(skipped) => {
            let TopicPartition { topic, partition } = skipped.partition;
            if (skipped.size as usize) < world.members[id].style.window / 2 {
                world.violate(id, format!("{} bytes were too large", skipped.size));
            }
            world.counts.add("records passed over for their size", 1);
            let part = world.lent(id, topic, partition);
            world.delivered(id, part, skipped.offset, None, true);
        }
        Event::CommitCompleted(result) => world.committed_result(id, &vec![], result),
        Event::Truncated(truncated) => world.violate(id, format!("{truncated:?} of a log that only grew")),
        Event::Records(_) | Event::LargeRecord(_) => unreachable!("handled by the front end"),
        _ => world.violate(id, "an event without a name here"),
    }
}

/// What the application does before it polls again.
fn then(shared: &Shared, id: usize, revoked: bool) -> Then {
    let mut world = shared.borrow_mut();
    world.members[id].events += 1;
    let dice = world.members[id].random.below(100);
    match world.members[id].style.commits {
        Commits::Sync if revoked || dice < 20 => Then::Commit,
        Commits::Async if revoked || dice < 30 => Then::CommitAsync,
        Commits::Offsets if revoked || dice < 20 => Then::CommitOffsets,
        _ => Then::Poll,
    }
}

/// Partitions whose pause ends now.
fn to_resume(shared: &Shared, id: usize) -> Vec<(&'static str, i32)> {
    let mut world = shared.borrow_mut();
    let mut found = vec![];
    for part in world.paused_parts(id) {
        if world.healed || world.members[id].random.below(4) == 0 {
            world.paused(id, part, false);
            found.push((world.logs[part].topic, world.logs[part].partition));
        }
    }
    found
}

/// What was assigned a moment ago and is to begin elsewhere than the group has committed.
fn to_seek(shared: &Shared, id: usize) -> Option<(TopicPartition<'static>, i64)> {
    let mut world = shared.borrow_mut();
    let restless = world.members[id].style.restless;
    if world.healed || world.members[id].random.below(1_000) >= restless {
        return None;
    }
    let part = world.fresh_part(id)?;
    let log = &world.logs[part];
    let (partition, start) = (TopicPartition::new(log.topic, log.partition), log.start);
    let end = world.cluster.partition(log.topic, log.partition).high_watermark();
    let target = start + world.members[id].random.below((end - start).max(0) as u64 / 2 + 1) as i64;
    world.sought(id, part, target);
    Some((partition, target))
}

/// Whether the value that was read is the one that was written; counts as handed out from its start.
fn large(shared: &Shared, id: usize, part: usize, offset: i64, key: &[u8], value: &[u8]) {
    let mut world = shared.borrow_mut();
    world.counts.add("large records", 1);
    world.delivered(id, part, offset, Some((key, value)), true);
}

async fn asynchronous(
    shared: Shared,
    id: usize,
    mut consumer: Consumer<'static, Async<Net>>,
    impatience: u64,
    topics: Vec<&'static str>,
) {
    consumer.subscribe(&topics).expect("room for the names");
    loop {
        if closing(&shared, id) {
            shared.borrow_mut().enter_poll(id);
            match commits(&shared, id) {
                Commits::Sync => commit_sync(&shared, id, &mut consumer).await,
                Commits::Offsets => commit_offsets(&shared, id, &mut consumer).await,
                _ => {}
            }
            return end(&shared, id, consumer.close().await);
        }
        for (topic, partition) in to_resume(&shared, id) {
            let _ = consumer.resume(TopicPartition::new(topic, partition)); // it may be lost by now
        }
        if let Some((partition, target)) = to_seek(&shared, id) {
            let _ = consumer.seek(partition, target); // it may be lost by now
        }
        shared.borrow_mut().enter_poll(id);
        let polled = {
            let mut poll = pin!(consumer.poll());
            let paused = !shared.borrow().paused_parts(id).is_empty();
            let mut tired = pin!(nap(&shared, id, if paused { impatience.min(500) } else { impatience }));
            poll_fn(|cx| match poll.as_mut().poll(cx) {
                Poll::Ready(event) => Poll::Ready(Some(event)),
                Poll::Pending if tired.as_mut().poll(cx).is_ready() || closing(&shared, id) => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            })
            .await
        };
        let Some(polled) = polled else { continue };
        shared.borrow_mut().look();
        let mut revoked = false;
        match polled {
            Ok(Event::Records(mut records)) => {
                let part = shared.borrow_mut().lent(id, records.topic(), records.topic_partition().partition);
                while let Some((record, next)) = take(&shared, id, part, &mut records) {
                    match next {
                        Next::More => {}
                        Next::Work(ms) if shared.borrow().members[id].style.keeps_alive => {
                            records.keep_alive(nap(&shared, id, ms)).await;
                        }
                        Next::Work(ms) => deaf(&shared, id, ms).await,
                        Next::Commit => {
                            let asked = shared.borrow_mut().want_commit(id);
                            let result = records.commit_sync(&record).await;
                            shared.borrow_mut().committed_result(id, &asked, result);
                        }
                        Next::Stop => break,
                    }
                }
            }
            Ok(Event::LargeRecord(mut record)) => {
                let part = shared.borrow_mut().lent(id, record.topic(), record.partition());
                let (offset, key, mut value) = (record.offset(), record.key().unwrap_or_default().to_vec(), vec![]);
                let result = loop {
                    match record.chunk().await {
                        Ok([]) => break Ok(()),
                        Ok(chunk) => value.extend_from_slice(chunk),
                        Err(error) => break Err(error),
                    }
                };
                match result {
                    Ok(()) => {
                        if shared.borrow().members[id].style.commits == Commits::Marks {
                            record.mark();
                        }
                        large(&shared, id, part, offset, &key, &value);
                        shared.borrow_mut().mark(id, part);
                    }
                    Err(error) => shared.borrow_mut().error(id, &error),
                }
            }
            Ok(event) => {
                revoked = matches!(event, Event::Revoked(_));
                told(&shared, id, event);
            }
            Err(error) => {
                shared.borrow_mut().error(id, &error);
                if error.is_fatal() {
                    return;
                }
            }
        }
        match then(&shared, id, revoked) {
            Then::Poll => {}
            Then::Commit => commit_sync(&shared, id, &mut consumer).await,
            Then::CommitAsync => {
                shared.borrow_mut().want_commit(id);
                consumer.commit_async().expect("a group");
            }
            Then::CommitOffsets => commit_offsets(&shared, id, &mut consumer).await,
        }
    }
}

async fn commit_sync(shared: &Shared, id: usize, consumer: &mut Consumer<'static, Async<Net>>) {
    let asked = shared.borrow_mut().want_commit(id);
    let result = consumer.commit_sync().await;
    shared.borrow_mut().committed_result(id, &asked, result);
}

async fn commit_offsets(shared: &Shared, id: usize, consumer: &mut Consumer<'static, Async<Net>>) {
    let offsets = shared.borrow_mut().offsets(id);
    if !offsets.is_empty() {
        let list: Vec<_> = offsets.iter().map(entry).collect();
        let result = consumer.commit_offsets(&list).await;
        shared.borrow_mut().committed_result(id, &vec![], result);
    }
}

fn entry(&(topic, partition, offset): &(&'static str, i32, i64)) -> PartitionOffset<'static> {
    PartitionOffset::new(topic, partition).offset(offset)
}

fn end(shared: &Shared, id: usize, result: Result<(), nanokafka::Error>) {
    let mut world = shared.borrow_mut();
    world.counts.add("closed", 1);
    if let Err(error) = result {
        world.error(id, &error);
    }
}

async fn superloop(
    shared: Shared,
    id: usize,
    mut consumer: Consumer<'static, Superloop>,
    mut net: Net,
    topics: Vec<&'static str>,
) {
    consumer.subscribe(&topics).expect("room for the names");
    let cluster = shared.borrow().cluster.clone();
    loop {
        if closing(&shared, id) {
            shared.borrow_mut().enter_poll(id);
            match commits(&shared, id) {
                Commits::Sync => turns_of_commit_sync(&shared, id, &mut consumer, &mut net).await,
                Commits::Offsets => turns_of_commit_offsets(&shared, id, &mut consumer, &mut net).await,
                _ => {}
            }
            loop {
                if let Poll::Ready(result) = consumer.close(cluster.now(), &mut net) {
                    return end(&shared, id, result);
                }
                turn(&shared, id, consumer.next_timeout(cluster.now())).await;
            }
        }
        for (topic, partition) in to_resume(&shared, id) {
            let _ = consumer.resume(TopicPartition::new(topic, partition)); // it may be lost by now
        }
        if let Some((partition, target)) = to_seek(&shared, id) {
            let _ = consumer.seek(partition, target); // it may be lost by now
        }
        shared.borrow_mut().enter_poll(id);
        let mut revoked = false;
        let polled = consumer.poll(cluster.now(), &mut net);
        shared.borrow_mut().look();
        match polled {
            Ok(None) => {
                turn(&shared, id, consumer.next_timeout(cluster.now())).await;
                continue;
            }
            Ok(Some(Event::Records(mut records))) => {
                let part = shared.borrow_mut().lent(id, records.topic(), records.topic_partition().partition);
                while let Some((record, next)) = take(&shared, id, part, &mut records) {
                    match next {
                        Next::More => {}
                        Next::Work(ms) if shared.borrow().members[id].style.keeps_alive => {
                            let until = cluster.millis() + ms;
                            while cluster.millis() < until {
                                records.keep_alive(cluster.now(), &mut net).expect("nothing yet");
                                let next = records.next_timeout(cluster.now());
                                turn(&shared, id, next.min(Instant::from_millis(until))).await;
                            }
                        }
                        Next::Work(ms) => deaf(&shared, id, ms).await,
                        Next::Commit => {
                            shared.borrow_mut().want_commit(id);
                            records.commit_async(&record).expect("a group");
                        }
                        Next::Stop => break,
                    }
                }
            }
            Ok(Some(Event::LargeRecord(mut record))) => {
                let part = shared.borrow_mut().lent(id, record.topic(), record.partition());
                let (offset, key, mut value) = (record.offset(), record.key().unwrap_or_default().to_vec(), vec![]);
                let result = loop {
                    match record.chunk(cluster.now(), &mut net) {
                        Poll::Ready(Ok([])) => break Ok(()),
                        Poll::Ready(Ok(chunk)) => value.extend_from_slice(chunk),
                        Poll::Ready(Err(error)) => break Err(error),
                        Poll::Pending => turn(&shared, id, record.next_timeout(cluster.now())).await,
                    }
                };
                match result {
                    Ok(()) => {
                        if shared.borrow().members[id].style.commits == Commits::Marks {
                            record.mark();
                        }
                        large(&shared, id, part, offset, &key, &value);
                        shared.borrow_mut().mark(id, part);
                    }
                    Err(error) => shared.borrow_mut().error(id, &error),
                }
            }
            Ok(Some(event)) => {
                revoked = matches!(event, Event::Revoked(_));
                told(&shared, id, event);
            }
            Err(error) => {
                shared.borrow_mut().error(id, &error);
                if error.is_fatal() {
                    return;
                }
            }
        }
        match then(&shared, id, revoked) {
            Then::Poll => {}
            Then::Commit => turns_of_commit_sync(&shared, id, &mut consumer, &mut net).await,
            Then::CommitAsync => {
                shared.borrow_mut().want_commit(id);
                consumer.commit_async().expect("a group");
            }
            Then::CommitOffsets => turns_of_commit_offsets(&shared, id, &mut consumer, &mut net).await,
        }
    }
}

async fn turns_of_commit_sync(shared: &Shared, id: usize, consumer: &mut Consumer<'static, Superloop>, net: &mut Net) {
    let cluster = shared.borrow().cluster.clone();
    let until = cluster.millis() + PATIENCE_MS;
    loop {
        // one that was given up goes on first, and says nothing of what came since
        let old = shared.borrow().members[id].gave_up;
        let asked = if old { vec![] } else { shared.borrow_mut().want_commit(id) };
        let result = loop {
            match consumer.commit_sync(cluster.now(), net) {
                Poll::Ready(result) => break Some(result),
                Poll::Pending if cluster.millis() >= until => break None,
                Poll::Pending => {
                    let next = consumer.next_timeout(cluster.now()).min(Instant::from_millis(until));
                    turn(shared, id, next).await;
                }
            }
        };
        let mut world = shared.borrow_mut();
        world.members[id].gave_up = result.is_none();
        match result {
            None => return,
            Some(_) if old => {}
            Some(result) => return world.committed_result(id, &asked, result),
        }
    }
}

async fn turns_of_commit_offsets(
    shared: &Shared,
    id: usize,
    consumer: &mut Consumer<'static, Superloop>,
    net: &mut Net,
) {
    let cluster = shared.borrow().cluster.clone();
    let (offsets, until) = (shared.borrow_mut().offsets(id), cluster.millis() + PATIENCE_MS);
    let list: Vec<_> = offsets.iter().map(entry).collect();
    while !list.is_empty() && cluster.millis() < until {
        if let Poll::Ready(result) = consumer.commit_offsets(cluster.now(), net, &list) {
            return shared.borrow_mut().committed_result(id, &vec![], result);
        }
        turn(shared, id, consumer.next_timeout(cluster.now()).min(Instant::from_millis(until))).await;
    }
}
