/// How many there may be of what the core remembers: a full table refuses, and never grows.
package enum Capacity {
    /// Names of accounts, known or tried.
    package static let accounts = 1_000_000
    /// Bindings.
    package static let bindings = 1_000_000
    /// Requests that are passed on.
    package static let contexts = 100_000
    /// Requests that were sent and are not over.
    package static let branches = 200_000
    /// Registrations at Asterisks: of a million accounts at four of them.
    package static let registrations = 4_000_000
    /// Calls.
    package static let calls = 100_000
    /// Questions to directory under way.
    package static let questions = 4096
    /// Requests that wait for directory.
    package static let parked = 2048
    /// Requests of one account that wait for directory.
    package static let parkedOfAccount = 16
    /// Answers to wrong passwords that wait for their time, 250 ms each: 32,768 a second.
    package static let delayed = 8192
    /// Trunks that a process hears of, those of settings before a reload too.
    package static let trunks = 16_384
}
