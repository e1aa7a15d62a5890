//! QEMU with a program, and the program's log.

use crate::Image;
use defmt_decoder::{DecodeError, Table};
use nanokafka_brokers::wait_for;
use std::fmt::Display;
use std::io::{BufRead, BufReader, Error, Read, Result, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// The guest's network. The host's 127.0.0.1 keeps its address in it, so that brokers need not advertise another one.
const NETWORK: &str = "net=127.0.0.0/24,host=127.0.0.1,dhcpstart=127.0.0.15,dns=127.0.0.3";

/// Far above what the monitor takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of a board's flash for data.
const FLASH: usize = 1 << 20;

/// Without us no QEMU: however this process ends, its end of standard input does. The status is QEMU's.
const GUARD: &str = r#""$0" "$@" </dev/null & exec >/dev/null; read _; kill -9 $!; wait $!"#;

/// A running board. Dropping it cuts its power.
pub struct Emulator {
    child: Child,
    lines: Receiver<Line>,
    /// The monitor's socket (QMP).
    monitor: PathBuf,
}

/// What a board is connected to the host by.
#[derive(Clone, Copy, Default)]
pub struct Cable<'a> {
    /// Not plugged in when the board starts: frames are lost until [`Emulator::plug`].
    pub unplugged: bool,
    /// Frames to the board wait for so long, those of one interval together.
    pub latency: Duration,
    /// Every frame is written to this file, in the form of libpcap.
    pub capture: Option<&'a Path>,
    /// No cable at all, and a clock of which each instruction takes 1,024 ns.
    pub counts: bool,
}

/// What the program logged.
#[derive(Debug)]
pub struct Line {
    /// `None`: printed, without a level.
    pub level: Option<&'static str>,
    /// What it says.
    pub text: String,
    /// When, in seconds since its start.
    pub time: String,
}

impl Emulator {
    /// Starts a board with `image`, which gets `server` as its argument and finds its flash in the folder `dir`, in the file `flash`.
    pub fn start(image: &Image, server: impl Display, dir: &Path, cable: Cable<'_>) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let elf = std::fs::read(&image.path)?;
        let table = Table::parse(&elf).map_err(Error::other)?.ok_or_else(|| Error::other("no defmt in the image"))?;
        erased_flash(dir)?;
        // not in `dir`: the name of a socket has at most 107 bytes
        let monitor = format!("nanokafka-qmp-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let monitor = std::env::temp_dir().join(monitor);
        let mut guard = Command::new("sh");
        guard
            .args(["-c", GUARD, "qemu-system-arm", "-M", image.board.name()])
            .args(["-display", "none", "-serial", "null", "-monitor", "none"])
            .args(["-qmp", &format!("unix:{},server=on,wait=off", monitor.display())])
            .args(["-semihosting-config", &format!("enable=on,target=native,arg=firmware,arg={server}")])
            .arg("-kernel")
            .arg(image.path.canonicalize()?);
        if cable.counts {
            guard.args(["-nic", "none", "-icount", "shift=10"]);
        } else {
            guard.args(["-netdev", &format!("user,id=net,{NETWORK}")]);
            guard.args(["-net", &format!("nic,model={},netdev=net", image.board.mac())]);
        }
        if cable.unplugged {
            guard.arg("-S");
        }
        if !cable.latency.is_zero() {
            let interval = cable.latency.as_micros();
            guard.args(["-object", &format!("filter-buffer,id=latency,netdev=net,queue=rx,interval={interval}")]);
        }
        if let Some(file) = cable.capture {
            guard.args(["-object", &format!("filter-dump,id=capture,netdev=net,file={}", file.display())]);
        }
        // standard error: the lm3s6965evb warns of a timer that nobody uses
        guard.current_dir(dir).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = guard.spawn()?;
        let stdout = child.stdout.take().expect("piped");
        // a thread, because a pipe has no read timeout; it ends with QEMU
        let (sender, lines) = channel();
        std::thread::spawn(move || decode(&table, stdout, &sender));
        let this = Emulator { child, lines, monitor };
        if cable.unplugged {
            this.plug(false)?;
            this.tell(r#"{"execute":"cont"}"#)?;
        }
        Ok(this)
    }

    /// Plugs the cable in, or out: frames are lost then, and nobody is told.
    pub fn plug(&self, plugged: bool) -> Result<()> {
        self.tell(&format!(r#"{{"execute":"set_link","arguments":{{"name":"net","up":{plugged}}}}}"#))
    }

    /// Gives the monitor a command, and waits until it is done.
    fn tell(&self, command: &str) -> Result<()> {
        wait_for("the emulator's monitor", PATIENCE, || Ok(self.monitor.exists()))?;
        let mut monitor = UnixStream::connect(&self.monitor)?;
        monitor.set_read_timeout(Some(PATIENCE))?;
        let mut answers = BufReader::new(monitor.try_clone()?).lines();
        // it greets, then it must be told that it is understood
        for line in [r#"{"execute":"qmp_capabilities"}"#, command] {
            writeln!(monitor, "{line}")?;
        }
        let mut done = 0;
        while done < 2 {
            let answer = answers.next().ok_or_else(|| Error::other("the emulator has ended"))??;
            if answer.contains("\"error\"") {
                return Err(Error::other(format!("{command}: {answer}")));
            }
            // others are events
            done += usize::from(answer.starts_with("{\"return\""));
        }
        Ok(())
    }

    /// The next line; `None`: the program has ended.
    ///
    /// # Errors
    /// None came within `limit`.
    pub fn line(&mut self, limit: Duration) -> Result<Option<Line>> {
        match self.lines.recv_timeout(limit) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => Err(Error::other(format!("the firmware says nothing for {limit:?}"))),
        }
    }

    /// Waits for a line that `is_it`; those before it are in the result, and it is the last.
    ///
    /// # Errors
    /// It did not come within `limit`, or the program ended; both tell what came.
    pub fn until(&mut self, limit: Duration, is_it: impl Fn(&Line) -> bool) -> Result<Vec<Line>> {
        let deadline = Instant::now() + limit;
        let mut lines = Vec::new();
        loop {
            match self.line(deadline.saturating_duration_since(Instant::now())) {
                Ok(Some(line)) => lines.push(line),
                Ok(None) => return Err(Error::other(format!("the firmware has ended: {lines:#?}"))),
                Err(_) => return Err(Error::other(format!("not within {limit:?}: {lines:#?}"))),
            }
            if lines.last().is_some_and(&is_it) {
                return Ok(lines);
            }
        }
    }

    /// Cuts its power; what it said until then and nobody has read.
    pub fn cut(mut self) -> Vec<Line> {
        self.child.stdin = None;
        self.lines.iter().collect()
    }

    /// The status of a program that has ended; of another one, that its power was cut.
    pub fn end(mut self) -> Result<ExitStatus> {
        self.child.wait()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // which closes the guard's standard input first
        let _ = self.child.wait();
        // QEMU that was killed leaves it behind
        let _ = std::fs::remove_file(&self.monitor);
    }
}

/// New boards have an empty flash; others keep theirs.
fn erased_flash(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir)?;
    match dir.join("flash") {
        file if file.exists() => Ok(()),
        file => std::fs::write(file, vec![0xff; FLASH]),
    }
}

fn decode(table: &Table, mut stdout: ChildStdout, lines: &Sender<Line>) {
    let mut decoder = table.new_stream_decoder();
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = stdout.read(&mut buffer) {
        decoder.received(&buffer[..count]);
        loop {
            let line = match decoder.decode() {
                Ok(frame) => Line {
                    level: frame.level().map(|level| level.as_str()),
                    text: frame.display_message().to_string(),
                    time: frame.display_timestamp().map(|time| time.to_string()).unwrap_or_default(),
                },
                Err(DecodeError::UnexpectedEof) => break,
                Err(DecodeError::Malformed) => {
                    Line { level: Some("error"), text: "a log that cannot be decoded".into(), time: String::new() }
                }
            };
            if lines.send(line).is_err() {
                return;
            }
        }
    }
}
