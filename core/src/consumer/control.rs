//! What does no I/O: subscription, positions, pause. Here once for all front ends, and usable while records are lent.
use crate::config::is_legal_name;
use crate::partitions::{self, Phase, Slot};
#[cfg(feature = "group")]
use crate::state::topic;
use crate::state::{Control, Mode, Parked};
use crate::{strings, Capacity, Error, Partitions, Resource, TopicName, TopicPartition, UsageError};

impl Control<'_> {
    /// `group.id`; for a subscription without one the id that was invented.
    pub fn group_id(&self) -> &str {
        self.consumer_group()
    }

    /// The assigned partitions.
    pub fn assignment(&self) -> Partitions<'_> {
        Partitions { slots: self.slots(), names: &self.names, only: 0 }
    }

    fn assigned(&mut self, partition: TopicPartition<'_>) -> Result<&mut Slot, Error> {
        let found = self.find(partition.topic, partition.partition);
        let missing = UsageError::NotAssigned(TopicName::new(partition.topic), partition.partition);
        found.and_then(|found| self.slot_mut(found)).ok_or(Error::Usage(missing))
    }

    fn known(&self, partition: TopicPartition<'_>) -> Option<&Slot> {
        self.find(partition.topic, partition.partition).and_then(|found| self.slot(found))
    }

    /// The offset of the next record that will be handed out; `None` while it is being found out, and of partitions that
    /// are not assigned.
    pub fn position(&self, partition: TopicPartition<'_>) -> Option<i64> {
        self.known(partition)
            .filter(|slot| !matches!(slot.phase, Phase::Committed | Phase::Reset))
            .map(|slot| slot.position)
    }

    /// How many offsets behind the log's end the position was at the last answer; `None` unknown.
    pub fn lag(&self, partition: TopicPartition<'_>) -> Option<i64> {
        let slot = self.known(partition).filter(|slot| slot.high_watermark >= 0 && slot.phase == Phase::Ready)?;
        Some(slot.high_watermark.saturating_sub(slot.position).max(0))
    }

    /// Goes on at `offset`, at once: records on their way from elsewhere are dropped, also those that are lent. An offset
    /// that is not in the log is handled by `auto.offset.reset`. The next commit covers what is before it, unless only what is marked
    /// is to be committed (`auto_commit_marks`), and that is less.
    ///
    /// # Errors
    /// [`UsageError::NotAssigned`], [`UsageError::Negative`].
    pub fn seek(&mut self, partition: TopicPartition<'_>, offset: i64) -> Result<(), Error> {
        if offset < 0 {
            return Err(UsageError::Negative(offset).into());
        }
        let marks = self.config.auto_commit_marks;
        let slot = self.assigned(partition)?;
        slot.jump(offset);
        if !marks || offset < slot.acked {
            slot.acknowledge(offset);
        }
        slot.epoch = -1;
        self.sought(partition);
        Ok(())
    }

    /// Goes on at the log's start, whatever `auto.offset.reset` says.
    ///
    /// # Errors
    /// [`UsageError::NotAssigned`].
    pub fn seek_to_beginning(&mut self, partition: TopicPartition<'_>) -> Result<(), Error> {
        self.seek_to(partition, false)
    }

    /// Goes on at the log's end.
    ///
    /// # Errors
    /// [`UsageError::NotAssigned`].
    pub fn seek_to_end(&mut self, partition: TopicPartition<'_>) -> Result<(), Error> {
        self.seek_to(partition, true)
    }

    fn seek_to(&mut self, partition: TopicPartition<'_>, end: bool) -> Result<(), Error> {
        let slot = self.assigned(partition)?;
        slot.jump(slot.position);
        slot.phase = Phase::Reset;
        if end {
            slot.set(Slot::LATEST);
        } else {
            slot.clear(Slot::LATEST);
        }
        self.sought(partition);
        Ok(())
    }

    /// The application has decided: what was to be said of the partition is out of date.
    fn sought(&mut self, partition: TopicPartition<'_>) {
        self.state.plan = true;
        if let Parked::Error(Error::Partition(error)) = self.state.parked {
            if error.partition == partition.partition && error.topic == TopicName::new(partition.topic) {
                self.state.parked = Parked::Nothing;
            }
        }
    }

    /// Hands out nothing of the partition until [`resume`](Self::resume); its position stays, records that are lent end.
    ///
    /// # Errors
    /// [`UsageError::NotAssigned`].
    pub fn pause(&mut self, partition: TopicPartition<'_>) -> Result<(), Error> {
        self.assigned(partition)?.set(Slot::PAUSED);
        Ok(())
    }

    /// Ends a [`pause`](Self::pause).
    ///
    /// # Errors
    /// [`UsageError::NotAssigned`].
    pub fn resume(&mut self, partition: TopicPartition<'_>) -> Result<(), Error> {
        self.assigned(partition)?.clear(Slot::PAUSED);
        self.state.plan = true;
        Ok(())
    }

    /// Commits in the background what was handed out; the result comes as [`Event::CommitCompleted`](crate::Event).
    ///
    /// # Errors
    /// [`UsageError::NoGroup`].
    pub fn commit_async(&mut self) -> Result<(), Error> {
        self.needs_group()?;
        self.want_commit();
        self.state.commit.announce = true;
        Ok(())
    }

    pub(crate) fn needs_group(&self) -> Result<(), Error> {
        match self.consumer_group() {
            "" => Err(UsageError::NoGroup.into()),
            _ => Ok(()),
        }
    }

    pub(crate) fn assign(&mut self, wanted: &[TopicPartition<'_>]) -> Result<(), Error> {
        if wanted.is_empty() {
            self.unsubscribe();
            return Ok(());
        }
        if self.state.mode == Mode::Subscribed {
            return Err(UsageError::SubscriptionType.into());
        }
        for entry in wanted {
            check_name(entry.topic)?;
            if entry.partition < 0 {
                return Err(UsageError::Negative(entry.partition.into()).into());
            }
        }
        // first see that it fits, then change: an error leaves the old assignment
        let distinct = |at: usize| {
            let (before, rest) = wanted.split_at_checked(at).unwrap_or((wanted, &[]));
            rest.first().filter(|entry| !before.contains(entry))
        };
        let needed = (0..wanted.len()).filter_map(distinct).count();
        let have = self.table.len();
        if needed > have {
            return Err(Capacity { what: Resource::Partitions, needed, have }.into());
        }
        let room = self.config.topic_entry();
        let new_topic = |at: usize| {
            let (before, rest) = wanted.split_at_checked(at).unwrap_or((wanted, &[]));
            rest.first().filter(|entry| !before.iter().any(|other| other.topic == entry.topic))
        };
        let bytes = (0..wanted.len())
            .filter_map(new_topic)
            .fold(0usize, |sum, entry| sum.saturating_add(room).saturating_add(entry.topic.len()));
        let have = self.names.len();
        if bytes > have {
            return Err(Capacity { what: Resource::Names, needed: bytes, have }.into());
        }
        self.state.mode = Mode::Assigned;
        let committed = !self.config.group_id.is_empty();
        self.keep_assigned(wanted);
        for entry in wanted {
            let Ok(name) = self.topics().insert(entry.topic) else { continue };
            let Err(at) = partitions::find(self.slots(), name, entry.partition) else { continue };
            let slot = Slot::new(name, entry.partition);
            if partitions::insert(self.table, &mut self.state.slots_used, at, slot) && !committed {
                // without a group nothing was ever committed
                self.reset_unless_none(at);
            }
        }
        self.state.cluster.metadata.want();
        self.state.cluster.refresh_at = crate::Instant::from_millis(0);
        self.state.plan = true;
        Ok(())
    }

    /// Partitions that stay keep their positions.
    fn keep_assigned(&mut self, wanted: &[TopicPartition<'_>]) {
        self.tables_changed();
        self.acknowledge_lent();
        self.drop_verdict();
        self.void_current();
        let names = &self.names;
        let stays =
            |slot: &Slot| wanted.contains(&TopicPartition::new(strings::name(names, slot.topic), slot.partition));
        partitions::retain(self.table, &mut self.state.slots_used, stays);
        self.state.forget_lent();
        self.state.first_slot = 0;
        self.drop_unused_names();
    }

    /// By the policy; with none it rests, and a `poll` tells.
    fn reset_unless_none(&mut self, at: usize) {
        if self.reset_position(at, crate::PartitionErrorKind::NoOffset).is_err() {
            self.state.news = true;
            if let Some(slot) = self.slot_mut(at) {
                slot.set(Slot::UNTOLD);
            }
        }
    }

    pub(crate) fn unsubscribe(&mut self) {
        #[cfg(feature = "group")]
        if self.state.mode == Mode::Subscribed {
            self.leave_group();
        }
        self.topics().clear_flags(u8::MAX);
        self.state.mode = Mode::Nothing;
        self.clear_slots();
    }

    #[cfg(feature = "group")]
    pub(crate) fn subscribe(&mut self, wanted: &[&str]) -> Result<(), Error> {
        if wanted.is_empty() {
            self.unsubscribe();
            return Ok(());
        }
        if self.state.mode == Mode::Assigned || self.subscribed_pattern().is_some() {
            return Err(UsageError::SubscriptionType.into());
        }
        for name in wanted {
            check_name(name)?;
        }
        // names of partitions that we still own stay until they are given up
        let (names, room) = (&self.names, self.config.topic_entry());
        let own = strings::entries(names, self.state.names_used)
            .filter(|&at| self.slots().iter().any(|slot| slot.topic == at))
            .map(|at| strings::name(names, at))
            .filter(|name| !wanted.iter().any(|other| other == name))
            .fold(0usize, |sum, name| sum.saturating_add(room).saturating_add(name.len()));
        let fresh = |at: usize| {
            let (before, rest) = wanted.split_at_checked(at).unwrap_or((wanted, &[]));
            rest.first().filter(|name| !before.contains(name))
        };
        let needed = (0..wanted.len())
            .filter_map(fresh)
            .fold(own, |sum, name| sum.saturating_add(room).saturating_add(name.len()));
        let have = self.names.len();
        if needed > have {
            return Err(Capacity { what: Resource::Names, needed, have }.into());
        }
        self.topics().clear_flags(topic::SUBSCRIBED | topic::GROUP);
        for name in wanted {
            if let Some(at) = strings::find(&self.names, self.state.names_used, name) {
                let flags = strings::flags(&self.names, at);
                self.topics().set_flags(at, flags | topic::SUBSCRIBED);
            }
        }
        self.drop_unused_names();
        for name in wanted {
            if let Ok(at) = self.topics().insert(name) {
                let flags = strings::flags(&self.names, at);
                self.topics().set_flags(at, flags | topic::SUBSCRIBED);
            }
        }
        self.subscribed();
        Ok(())
    }

    #[cfg(feature = "group")]
    fn subscribed(&mut self) {
        self.tables_changed();
        self.state.mode = Mode::Subscribed;
        self.state.cluster.metadata.want();
        self.state.cluster.refresh_at = crate::Instant::from_millis(0);
        self.enter_group();
    }

    #[cfg(feature = "group-consumer")]
    pub(crate) fn subscribe_pattern(&mut self, pattern: &str) -> Result<(), Error> {
        let before = self.subscribed_pattern();
        if self.state.mode == Mode::Assigned || self.state.mode == Mode::Subscribed && before.is_none() {
            return Err(UsageError::SubscriptionType.into());
        }
        let legal = (1..=usize::from(u8::MAX)).contains(&pattern.len());
        if !legal || self.config.group_protocol != crate::GroupProtocol::Consumer {
            return Err(UsageError::Pattern.into());
        }
        let have = self.names.len();
        let full = |needed| Error::from(Capacity { what: Resource::Names, needed, have });
        let at = self.topics().append(pattern).map_err(full)?;
        self.topics().set_flags(at, strings::PATTERN | topic::KNOWN);
        if let Some(before) = before {
            self.topics().set_flags(before, 0);
            self.drop_unused_names();
        }
        self.subscribed();
        Ok(())
    }

    /// The entry of the pattern that is subscribed to.
    #[cfg(feature = "group")]
    pub(crate) fn subscribed_pattern(&self) -> Option<u16> {
        let mut entries = strings::entries(&self.names, self.state.names_used);
        entries.find(|&at| strings::is_pattern(&self.names, at))
    }
}

fn check_name(name: &str) -> Result<(), Error> {
    match is_legal_name(name) {
        true => Ok(()),
        false => Err(UsageError::TopicName(TopicName::new(name)).into()),
    }
}
