//! Owns the command line of a benchmark or example: `--key value`, `--key=value` and flags, the
//! messages for wrong options, and the usage text. The meaning of the options is up to the program.

use std::error::Error;
use std::fmt;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::str::FromStr;

/// An option of a program.
#[derive(Clone, Copy, Debug)]
pub struct Opt {
    /// The name, without the dashes.
    pub key: &'static str,
    /// The value's name in the usage text; empty for a flag.
    pub value: &'static str,
    pub help: &'static str,
}

/// The reason to end a program before it begins: print `text`, and fail unless it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    pub text: String,
    /// True if `--help` was given.
    pub asked: bool,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Stop {}

/// Runs a program with the options of this process and reports its error. `false` is a failure that
/// the program has reported itself.
pub fn run(
    about: &str,
    known: &[Opt],
    program: impl FnOnce(&Args) -> Result<bool, Box<dyn Error>>,
) -> ExitCode {
    let result = Args::from_env(about, known).map_err(Into::into);
    match result.and_then(|args| program(&args)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(reason) => match reason.downcast_ref::<Stop>() {
            Some(stop) if stop.asked => {
                println!("{stop}");
                ExitCode::SUCCESS
            }
            Some(stop) => {
                eprintln!("{stop}");
                ExitCode::from(2)
            }
            None => {
                eprintln!("failed: {reason}");
                ExitCode::FAILURE
            }
        },
    }
}

/// The options that were given.
#[derive(Clone, Debug)]
pub struct Args {
    usage: String,
    given: Vec<(&'static str, String)>,
}

impl Args {
    /// Parses the options of this process. `about` is the first line of the usage text.
    pub fn from_env(about: &str, known: &[Opt]) -> Result<Self, Stop> {
        let given = std::env::args_os().skip(1);
        Self::parse(about, known, given.map(|arg| arg.to_string_lossy().into_owned()))
    }

    /// Parses options. It ignores `--bench`, which cargo adds.
    pub fn parse(
        about: &str,
        known: &[Opt],
        args: impl IntoIterator<Item = String>,
    ) -> Result<Self, Stop> {
        let mut parsed = Self { usage: usage(about, known), given: Vec::new() };
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let (key, inline) = match arg.split_once('=') {
                Some((key, value)) => (key, Some(value.to_owned())),
                None => (arg.as_str(), None),
            };
            let Some(key) = key.strip_prefix("--") else {
                return Err(parsed.wrong(format!("unexpected argument {arg:?}")));
            };
            if key == "help" {
                return Err(Stop { text: parsed.usage, asked: true });
            }
            let Some(opt) = known.iter().find(|opt| opt.key == key) else {
                if key == "bench" {
                    continue;
                }
                return Err(parsed.wrong(format!("unknown option --{key}")));
            };
            if parsed.has(key) {
                return Err(parsed.wrong(format!("--{key} is given twice")));
            }
            let value = match (opt.value, inline) {
                ("", Some(_)) => return Err(parsed.wrong(format!("--{key} takes no value"))),
                ("", None) => String::new(),
                (_, Some(value)) => value,
                (name, None) => match args.next().filter(|next| !next.starts_with("--")) {
                    Some(value) => value,
                    None => return Err(parsed.wrong(format!("--{key} needs a value: {name}"))),
                },
            };
            parsed.given.push((opt.key, value));
        }
        Ok(parsed)
    }

    /// Returns true if the option or flag was given.
    pub fn has(&self, key: &str) -> bool {
        self.text(key).is_some()
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        self.given.iter().find(|(given, _)| *given == key).map(|(_, value)| value.as_str())
    }

    /// Returns the value of `--key`, if given; an error if it is not a `T`.
    pub fn get<T: FromStr>(&self, key: &str) -> Result<Option<T>, Stop>
    where
        T::Err: fmt::Display,
    {
        let read = |text: &str| {
            text.parse().map_err(|reason| self.wrong(format!("--{key} {text:?}: {reason}")))
        };
        self.text(key).map(read).transpose()
    }

    pub fn get_or<T: FromStr>(&self, key: &str, default: T) -> Result<T, Stop>
    where
        T::Err: fmt::Display,
    {
        Ok(self.get(key)?.unwrap_or(default))
    }

    /// Returns values with commas between them, such as `--ef 16,32,64`.
    pub fn list<T: FromStr>(&self, key: &str) -> Result<Option<Vec<T>>, Stop>
    where
        T::Err: fmt::Display,
    {
        let read = |text: &str| {
            let items = text.split(',').map(|item| item.trim().parse());
            let items: Result<Vec<T>, _> = items.collect();
            items.map_err(|reason| self.wrong(format!("--{key} {text:?}: {reason}")))
        };
        self.text(key).map(read).transpose()
    }

    /// Returns a message of the program's own, with the usage text.
    pub fn wrong(&self, message: impl fmt::Display) -> Stop {
        Stop { text: format!("{message}\n\n{}", self.usage), asked: false }
    }
}

fn usage(about: &str, known: &[Opt]) -> String {
    let mut text = format!("{about}\n\n");
    for opt in known {
        let option = format!("--{} {}", opt.key, opt.value);
        writeln!(text, "  {option:<22} {}", opt.help).unwrap_or_default();
    }
    text.push_str("  --help                 this text\n");
    text
}
