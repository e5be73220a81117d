//! Flags from the environment: one rule for all of them, in place of a name at each.

use clap::Command;

/// Lets every flag of a command be set by a variable: `--late-fraction` by `ARUS_LATE_FRACTION`, a
/// switch by `true` or `false`. A flag that names a variable itself (`KAFKA_BROKERS`) keeps that
/// one, and what is typed goes before the environment.
///
/// Flags named in `except` have none: those that do something once, such as `reset`, which a
/// container would do again at every start. Nor has `--health`, which is another program's question.
///
/// ```
/// use clap::{Arg, Command};
///
/// let program = Command::new("program")
///     .arg(Arg::new("skew").long("max-skew"))
///     .arg(Arg::new("brokers").long("brokers").env("KAFKA_BROKERS"))
///     .arg(Arg::new("reset").long("reset"));
/// let program = arus_runtime::environment::with_variables(program, &["reset"]);
/// let variable = |id: &str| {
///     let flag = program.get_arguments().find(|flag| flag.get_id() == id).unwrap();
///     flag.get_env().map(|name| name.to_str().unwrap().to_owned())
/// };
/// assert_eq!(variable("skew").as_deref(), Some("ARUS_MAX_SKEW"));
/// assert_eq!(variable("brokers").as_deref(), Some("KAFKA_BROKERS"));
/// assert_eq!(variable("reset"), None);
/// ```
pub fn with_variables(command: Command, except: &[&str]) -> Command {
    command.mut_args(|flag| match flag.get_long() {
        Some(long) if flag.get_env().is_none() && long != "health" && !except.contains(&long) => {
            let name = format!("ARUS_{}", long.to_uppercase().replace('-', "_"));
            // Clap wants a name that lives as long as the process; there are a few dozen, once.
            // `--help` tells the rule rather than every name.
            flag.env(&*name.leak()).hide_env(true)
        }
        _ => flag,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Arg, ArgAction};

    #[test]
    fn without_a_variable_a_command_is_as_it_was() {
        let switch = Arg::new("drain").long("drain").action(ArgAction::SetTrue);
        let rate = Arg::new("rate").long("rate").default_value("7");
        // A variable that every test run has.
        let path = Arg::new("path").long("path").env("PATH");
        let mut program = with_variables(Command::new("program").args([switch, rate, path]), &[]);
        let help = program.render_long_help().to_string();
        assert!(!help.contains("ARUS_RATE") && help.contains("[env: PATH="), "{help}");
        let matches = program.try_get_matches_from(["program", "--path", "typed"]).unwrap();
        assert_eq!(matches.get_one::<String>("path").unwrap(), "typed");
        assert_eq!(matches.get_one::<String>("rate").unwrap(), "7");
        assert!(!matches.get_flag("drain"));
    }
}
