// How long an Asterisk is waited for.
internal import Sys

/// How long an Asterisk is waited for at most, in each kind of asking.
struct AskingTimes {
    /// A look whether it can be asked through ARI.
    var look = Milliseconds.seconds(1)
    /// The same while another one answers.
    var lookBeside = Milliseconds(200)
    /// A look-up, with all that it waits for.
    var lookUp = Milliseconds.seconds(2)
    /// A look-up's part of one Asterisk, as long as there is another one.
    var lookUpOfOne = Milliseconds.seconds(1)
    /// AMI's connection and login: Asterisk lets a second pass before it refuses one.
    var login = Milliseconds.seconds(2)
    /// AMI's word that it is there.
    var manager = Milliseconds.seconds(1)
    /// The telling of all files by AMI: 21,000 endpoints take some seconds.
    var files = Milliseconds.seconds(60)
    /// A second's part of that: others wait meanwhile.
    var filesOfSecond = Milliseconds(150)
}
