// Rounds: after a change of the source each row that is known is read again.
internal import Messages
internal import Sys

extension KnownAccounts {
    /// When a round is due that does not go on yet; nil while there is none, or the source cannot be read.
    var roundAt: Milliseconds? {
        guard round == nil, case .up = reader.state else { return nil }
        return [nextRound, brake.nextLook].compactMap(\.self).min()
    }

    /// Begins a round when one is due, and goes on with the one under way.
    func advanceRound(_ now: Moment) {
        if case .down = reader.state, round != nil {
            // What was read counts; what is undecided waits for a round that sees all.
            round = nil
            nextRound = now.monotonic
        }
        if let due = roundAt, due <= now.monotonic { beginRound(now) }
        while let at = round?.nextBatch, at <= now.monotonic { askBatch(now) }
    }

    private func beginRound(_ now: Moment) {
        nextRound = nil
        let names = bindings.boundAccounts(now: now.sinceEpoch)
        var first = Set<AccountQuery>()
        for ending in brake.endings.values { first.insert(ending.query) }
        let realms = Set(rows.keys.map(\.realm))
        for name in names {
            // Also one of which nothing is known: it may be gone.
            first.insert(AccountQuery(name: name, realm: settings.realm))
            for realm in realms {
                let query = AccountQuery(name: name, realm: realm)
                if rows[query] != nil { first.insert(query) }
            }
        }
        // Those without a binding are asked for when they are needed, where all is read without a change.
        let others = tellsOfChanges ? rows.keys.filter { !first.contains($0) } : []
        round = AccountRound(
            bound: Array(first), others: others, change: changes, size: batchSize,
            rate: tellsOfChanges ? AccountRound.rate : AccountRound.rateOfPolling, now.monotonic)
        if round?.count == 0 { endRound(now) }
    }

    private func askBatch(_ now: Moment) {
        guard let batch = round?.takeBatch(now.monotonic) else { return }
        reader.ask(batch.queries, .first, now: now.monotonic) { [weak self] in
            self?.answered(batch, $0)
        }
    }

    private func answered(_ batch: AccountRound.Batch, _ answers: [ReadAccount]) {
        let now = clock()
        // The answers to a round that has come to nothing are of no use to the next one.
        guard let change = round?.change,
            let rows = round?.answered(batch, answers, now.monotonic), !rows.isEmpty
        else { return }
        batchSize = round?.size ?? batchSize
        for row in rows { follow(row.query, row.read, change: change, isBound: batch.isBound, now) }
        if round?.isBoundRead == true { decide(now) }
        if round?.isOver == true { endRound(now) }
    }

    private func follow(
        _ query: AccountQuery, _ read: ReadAccount, change: Int, isBound: Bool, _ now: Moment
    ) {
        let before = rows[query]
        take(read, of: query, change: change, now)
        if before?.version != read.version, before != nil || isBound {
            tell(.update(account: query.name, realm: query.realm, read.answer))
        }
        if let ending = brake.endings[query.name], ending.query == query {
            if ending.before?.isLess(in: read.answer) ?? (read.answer == .unknown) {
                round?.agreed.insert(query.name)
            } else {
                brake.isBack(query.name)
            }
        } else if before != nil || isBound {
            compare(query, before?.account, read.answer, endsCalls: false)
        }
    }

    private func endRound(_ now: Moment) {
        guard let round else { return }
        decide(now)
        if round.count > 0 { lastRound = (now.monotonic - round.began, round.count) }
        self.round = nil
        if round.change != changes {
            nextRound = now.monotonic
        } else if !tellsOfChanges {
            nextRound = max(now.monotonic, round.began + AccountRound.pollingEvery)
        }
    }

    /// Whether the source tells when rows have changed: else it is asked again without an end.
    private var tellsOfChanges: Bool { reader.state?.tellsOfChanges ?? true }

    // MARK: What ends

    /// Decides about what the round has seen, and what answers have seen meanwhile.
    private func decide(_ now: Moment) {
        guard let round else { return }
        revoke(brake.agreed(round.agreed, began: round.began))
        decide(isRound: true, now)
    }

    /// Decides about what answers have seen, when no round is about to see more of it.
    func decideAboutAnswers(_ now: Moment) {
        guard round == nil, let since = brake.undecidedSince,
            since + Brake.patience <= now.monotonic
        else { return }
        decide(isRound: false, now)
    }

    private func decide(isRound: Bool, _ now: Moment) {
        guard brake.undecidedSince != nil else { return }
        let total = bindings.count(now: now.sinceEpoch)
        switch brake.decide(of: total, isRound: isRound, now.monotonic) {
        case .end(let endings): revoke(endings)
        case .holdBack(let count, let total): records.append(Self.heldBack(count, of: total))
        }
    }

    private func revoke(_ endings: [Brake.Ending]) {
        for ending in endings {
            tell(.revoke(account: ending.query.name, endsCalls: ending.endsCalls))
        }
    }

    /// What is held back, for the administrator; nil when nothing is.
    var heldBack: String? {
        let count = brake.heldCount
        guard count > 0 else { return nil }
        return Self.heldBack(count, of: bindings.count(now: clock().sinceEpoch))
    }

    private static func heldBack(_ count: Int, of total: Int) -> String {
        "the accounts of \(count) of \(total) registrations are gone or have changed at once, which looks"
            + " like a mistake: in \(Brake.pause.seconds) s these phones lose their registration. Unless that was"
            + " meant, put the rows back before"
    }
}
