//! Random trouble from a seed: the same seed, the same trouble.
use crate::random::Random;
use nanokafka::Api;

/// How much trouble, and until when. Rates are per thousand requests.
#[derive(Clone, Debug)]
pub struct Chaos {
    /// Everything random comes from it.
    pub seed: u64,
    /// Virtual time from which on everything works again.
    pub until: u64,
    /// The connection is reset, the request was not handled.
    pub lost_requests: u64,
    /// The request was handled, the connection is reset in place of the answer.
    pub lost_answers: u64,
    /// Answered with a code that API's clients retry.
    pub retriable_codes: u64,
    /// Answers that are late.
    pub late_answers: u64,
    /// By at most this much.
    pub late_ms: u64,
    /// Mean time between moves of a random partition's leader; 0: never.
    pub leader_moves_ms: u64,
    /// Mean time between moves of a random group's coordinator; 0: never.
    pub coordinator_moves_ms: u64,
    /// Mean time between kills of a random broker; 0: never. At most one is dead at a time.
    pub kills_ms: u64,
    /// A killed broker comes back after at most this time.
    pub dead_ms: u64,
}

impl Chaos {
    /// No trouble yet: set what is wanted.
    pub fn new(seed: u64, until: u64) -> Self {
        Chaos {
            seed,
            until,
            lost_requests: 0,
            lost_answers: 0,
            retriable_codes: 0,
            late_answers: 0,
            late_ms: 0,
            leader_moves_ms: 0,
            coordinator_moves_ms: 0,
            kills_ms: 0,
            dead_ms: 1_000,
        }
    }

    /// A bit of everything.
    pub fn everything(seed: u64, until: u64) -> Self {
        Chaos {
            lost_requests: 10,
            lost_answers: 10,
            retriable_codes: 20,
            late_answers: 50,
            late_ms: 400,
            leader_moves_ms: 5_000,
            coordinator_moves_ms: 10_000,
            kills_ms: 20_000,
            dead_ms: 15_000,
            ..Chaos::new(seed, until)
        }
    }
}

pub(crate) enum Fate {
    Handled,
    Lost,
    AnswerLost,
    Refused(i16),
}

pub(crate) enum Blow {
    Leader,
    Coordinator,
    Kill,
}

pub(crate) struct Running {
    plan: Chaos,
    random: Random,
    /// Next leader move, coordinator move, kill.
    blows: [u64; 3],
}

/// Chaos that may not have been asked for.
#[derive(Default)]
pub(crate) struct Trouble(Option<Running>);

/// What a client of each API retries; never more than it should.
fn retriable(api: Api) -> &'static [i16] {
    match api {
        Api::Metadata => &[3, 5],
        Api::FindCoordinator => &[14, 15],
        Api::JoinGroup | Api::OffsetFetch => &[14, 15, 16],
        Api::SyncGroup | Api::Heartbeat => &[15, 16],
        Api::ConsumerGroupHeartbeat => &[14, 15, 16],
        Api::OffsetCommit => &[7, 14, 15, 16],
        Api::ListOffsets => &[3, 5, 6, 74, 78],
        Api::OffsetForLeaderEpoch => &[3, 5, 6, 74],
        Api::Fetch => &[3, 5, 6, 9, 56, 74, 75, 78],
        _ => &[],
    }
}

impl Trouble {
    pub(crate) fn begin(&mut self, plan: Chaos, now: u64) {
        let mut random = Random::new(plan.seed);
        let mut first = |mean: u64| if mean == 0 { u64::MAX } else { now + 1 + random.below(2 * mean) };
        let blows = [first(plan.leader_moves_ms), first(plan.coordinator_moves_ms), first(plan.kills_ms)];
        self.0 = Some(Running { plan, random, blows });
    }

    pub(crate) fn end(&mut self) {
        self.0 = None;
    }

    fn running(&mut self, now: u64) -> Option<&mut Running> {
        self.0.as_mut().filter(|running| now < running.plan.until)
    }

    pub(crate) fn fate(&mut self, api: Api, now: u64) -> Fate {
        let Some(Running { plan, random, .. }) = self.running(now) else { return Fate::Handled };
        let dice = random.below(1000);
        let codes = retriable(api);
        if dice < plan.lost_requests {
            Fate::Lost
        } else if dice < plan.lost_requests + plan.lost_answers {
            Fate::AnswerLost
        } else if dice < plan.lost_requests + plan.lost_answers + plan.retriable_codes && !codes.is_empty() {
            Fate::Refused(codes[random.below(codes.len() as u64) as usize])
        } else {
            Fate::Handled
        }
    }

    pub(crate) fn delay(&mut self, now: u64) -> u64 {
        let Some(Running { plan, random, .. }) = self.running(now) else { return 0 };
        if random.below(1000) < plan.late_answers {
            random.below(plan.late_ms + 1)
        } else {
            0
        }
    }

    pub(crate) fn next_event(&self, now: u64) -> Option<u64> {
        let Running { plan, blows, .. } = self.0.as_ref()?;
        blows.iter().copied().filter(|&at| at < plan.until && at > now).min()
    }

    /// A blow that is due, and how long its victim stays down.
    pub(crate) fn blow(&mut self, now: u64) -> Option<(Blow, u64)> {
        let Running { plan, random, blows } = self.running(now)?;
        let means = [plan.leader_moves_ms, plan.coordinator_moves_ms, plan.kills_ms];
        let which = blows.iter().position(|&at| at <= now)?;
        blows[which] = now + 1 + random.below(2 * means[which]);
        let down = 1 + random.below(plan.dead_ms);
        Some(([Blow::Leader, Blow::Coordinator, Blow::Kill].into_iter().nth(which)?, down))
    }

    pub(crate) fn pick(&mut self, of: usize) -> usize {
        self.0.as_mut().map_or(0, |running| running.random.below(of as u64) as usize)
    }
}
