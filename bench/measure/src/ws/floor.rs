//! The floor of a fan-out: a process that writes one small message to each of many plain sockets.
//!
//! A process of its own, as the exchange is one, and because the limit of open files is a process's.

use anyhow::{Context as _, Result, ensure};
use bench::leftovers::Process;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;
use tile::Clock;
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use super::clients::{Heard, follow_plain};
use super::pace::{Kept, paced};

/// Connections that wait to be accepted.
const AT_ONCE: usize = 64;

/// For the last message, which is on its way.
pub(super) const LAST: Duration = Duration::from_secs(2);

/// What a writer is to do.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Plan {
    /// Sockets.
    #[arg(long)]
    pub(crate) clients: usize,
    /// Messages a second to each of them.
    #[arg(long)]
    pub(crate) rate: u32,
    /// How long.
    #[arg(long)]
    pub(crate) seconds: u32,
    /// Of a message.
    #[arg(long)]
    pub(crate) bytes: usize,
}

/// The writer: says its port, accepts, writes once its standard input says so, and says how it kept its schedule.
pub(crate) fn write(plan: &Plan) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").context("open the floor's port")?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", listener.local_addr()?)?;
    out.flush()?;
    let mut near = Vec::new();
    while near.len() < plan.clients {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        near.push(stream);
    }
    std::io::stdin().lock().read_line(&mut String::new())?;
    let kept = paced(plan.rate, plan.seconds, || {
        let frame = frame(Clock::now(), plan.bytes);
        Ok(near
            .iter_mut()
            .try_for_each(|stream| stream.write_all(&frame))?)
    })?;
    writeln!(out, "{}", kept.line())?;
    out.flush()?;
    // The last message is on its way, and a connection that ends would be a client lost.
    std::io::stdin().lock().read_line(&mut String::new())?;
    Ok(())
}

/// Measures it: as many clients as the plan has, in this process.
pub(super) fn measure(plan: &Plan, cpu: Option<usize>) -> Result<(Heard, Kept)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("floor-writer");
    for (option, value) in [
        ("--clients", plan.clients.to_string()),
        ("--rate", plan.rate.to_string()),
        ("--seconds", plan.seconds.to_string()),
        ("--bytes", plan.bytes.to_string()),
    ] {
        command.args([option, &value]);
    }
    let writer = Process::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
    let out = writer.with(|child| child.stdout.take());
    let mut out = BufReader::new(out.context("it was piped")?);
    let mut line = String::new();
    out.read_line(&mut line)?;
    let address: SocketAddr = line.trim().parse().context("the floor's address")?;
    let mut far = Vec::new();
    for number in 0..plan.clients {
        far.push(TcpStream::connect(address)?);
        if number % AT_ONCE == 0 {
            // Its queue of new connections is short.
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    let input = writer.with(|child| child.stdin.take());
    let mut input = input.context("it was piped")?;
    listen(far, cpu, || {
        writeln!(input, "go")?;
        // It says so when everything is written, however late.
        let mut line = String::new();
        out.read_line(&mut line)?;
        let kept = line.parse()?;
        std::thread::sleep(LAST);
        writeln!(input, "end")?;
        Ok(kept)
    })
}

/// Follows the streams while `talk` has them written to; also gives what that says.
fn listen<T>(
    far: Vec<TcpStream>,
    cpu: Option<usize>,
    talk: impl FnOnce() -> Result<T>,
) -> Result<(Heard, T)> {
    let (stop, stopped) = oneshot::channel();
    let listening = std::thread::Builder::new()
        .name("clients".into())
        .spawn(move || {
            if let Some(cpu) = cpu {
                tile::pin(cpu)?;
            }
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(LocalSet::new().run_until(async {
                let mut streams = Vec::new();
                for stream in far {
                    stream.set_nonblocking(true)?;
                    streams.push(tokio::net::TcpStream::from_std(stream)?);
                }
                follow_plain(streams, stopped).await
            }))
        })?;
    let talked = talk();
    ensure!(!listening.is_finished(), "the clients ended by themselves");
    stop.send(()).ok();
    let heard = listening
        .join()
        .map_err(|_| anyhow::anyhow!("the clients panicked"))?;
    let talked = talked?;
    Ok((heard?, talked))
}

/// A WebSocket frame, as a server sends it, with a text of `bytes` bytes that has its time where a trade has it.
fn frame(now: u64, bytes: usize) -> Vec<u8> {
    let mut text = format!("{{\"timestamp\":\"{now}\",\"pad\":\"");
    while text.len() + 2 < bytes {
        text.push('x');
    }
    text += "\"}";
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    let mut frame = vec![0x81];
    if length < 126 {
        frame.push(length.to_le_bytes()[0]);
    } else {
        frame.push(126);
        frame.extend_from_slice(&length.to_be_bytes());
    }
    frame.extend_from_slice(text.as_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_messages_come_as_were_written() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let address = listener.local_addr().expect("bound");
        let (mut near, mut far) = (Vec::new(), Vec::new());
        for _ in 0..20 {
            far.push(TcpStream::connect(address).expect("it listens"));
            near.push(listener.accept().expect("one comes").0);
        }
        let (heard, ()) = listen(far, None, || {
            for _ in 0..10 {
                let frame = frame(Clock::now(), 300);
                for stream in &mut near {
                    stream.write_all(&frame)?;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            std::thread::sleep(Duration::from_millis(500));
            Ok(())
        })
        .expect("loopback");
        let count: u64 = heard.seconds.iter().map(|(_, ages)| ages.len()).sum();
        assert_eq!((count, heard.bytes, heard.last.len()), (200, 300, 10));
        assert_eq!((heard.lost, heard.others, heard.early), (0, 0, 0));
    }

    #[test]
    fn a_frame_has_the_length_that_it_says() {
        for bytes in [50, 125, 126, 400] {
            let frame = frame(1_795_657_819_199_831_238, bytes);
            let header = if bytes < 126 { 2 } else { 4 };
            assert_eq!(frame.len(), header + bytes);
        }
    }
}
