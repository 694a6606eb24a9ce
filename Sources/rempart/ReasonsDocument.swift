internal import Messages

/// What is written of reason codes in each document: rempart-reasons(7), and docs/REASONS.md, which is printed here.
enum ReasonsDocument {
    /// Where a reason code is met, in a paragraph.
    static let introduction = """
        Everything that Rempart refuses has a reason code. It stands in the field REMPART_REASON of a record \
        (`journalctl -u rempart REMPART_REASON=wrong-password`). `rempart bans`, `rempart why` and `rempart explain` \
        say it too. The status is what the sender gets, unless it gets no response; REMPART_STATUS has what was answered.
        """

    /// What conditions are, in a paragraph.
    static let conditions = """
        `rempart status` tells of each as long as it lasts, with what to do; the worst stands first. With --json it \
        has these words. The journal tells when it begins and when it is over.
        """

    /// The title above the conditions.
    static let conditionsTitle = "What is wrong with the edge"

    /// What a group is of.
    static func title(of group: Reason.Group) -> String {
        switch group {
        case .malformed: "Messages that cannot be read"
        case .request: "Refused requests"
        case .registration: "Refused registrations"
        case .password: "Passwords"
        case .call: "Refused calls"
        case .trunk: "Trunks"
        case .silence: "What gets no response or a short one"
        case .shortage: "Want of room"
        case .connection: "Connections"
        case .ban: "Bans and holds"
        case .banEnd: "Ends of bans"
        case .callEnd: "Ends of calls"
        case .notice: "Notices"
        }
    }

    /// What holds for all of a group, in a paragraph; nil when there is nothing.
    static func note(on group: Reason.Group) -> String? {
        switch group {
        case .malformed:
            """
            Only a request that has what a response repeats, and that is addressed to the edge, is answered.
            """
        case .password:
            """
            All of these are answered alike and at the same time, so that the sender cannot tell them apart. A REGISTER \
            gets 401, any other request 407. Either gets 503 while no more names may be tried, or the account database \
            is down.
            """
        case .ban:
            """
            The offence that reaches a limit bans: by default the fifth wrong password within 30 s. Each account that \
            has authenticated from a source raises the source's limits by five, except that of `honey-account`. Where \
            phones are registered, and at the edge's own addresses, a hold of the source takes the place of the ban.
            """
        default: nil
        }
    }

    /// The statuses of a reason: "403, 404"; empty for none.
    static func statuses(of reason: Reason) -> String {
        reason.statuses.map { "\($0.rawValue)" }.joined(separator: ", ")
    }

    /// docs/REASONS.md.
    static var markdown: String {
        var lines = [
            "# Reason codes", "",
            "Printed by `rempart manual rempart-reasons --markdown`; rempart-reasons(7) says the same.",
            "",
        ]
        lines += Markdown.filled(introduction) + [""]
        lines += Markdown.filled(
            """
            A refusal that counts toward a ban names the ban's code. It counts only against a source that has proven \
            its address. Some bans rest on what is not refused, such as requests without a password.
            """)
        for group in Reason.Group.allCases {
            lines += ["", "## \(title(of: group))", ""]
            if let note = note(on: group) { lines += Markdown.filled(note) + [""] }
            lines += Markdown.table(
                ["code", "status", "counts toward", "meaning", "what to do"],
                Reason.all.filter { $0.group == group }.map { reason in
                    [
                        "`\(reason.code)`", statuses(of: reason),
                        reason.evidence.map { "`\($0.code)`" } ?? "", reason.meaning, reason.remedy,
                    ]
                })
        }
        lines += ["", "## \(conditionsTitle)", ""] + Markdown.filled(conditions) + [""]
        lines += Markdown.table(
            ["word", "meaning"], Condition.Kind.allCases.map { ["`\($0.name)`", $0.meaning] })
        return lines.joined(separator: "\n") + "\n"
    }
}
