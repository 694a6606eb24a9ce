// The access lists of accounts in Asterisk's files.
internal import AsteriskFiles
internal import Messages

extension AccessRules {
    /// The list that the lines of an account make, with the lists of acl.conf that they name.
    ///
    /// A line that cannot be read, or a list that is not there, lets nobody in. A list without a line lets everybody
    /// in, as in Asterisk.
    func list(_ lines: [AccessLine], _ named: AccessLists) -> AccessList {
        var result: [AccessRule] = []
        var lists: UInt8 = 0
        for line in inOrder(lines) {
            let target: AccessTarget = line.isOfContact ? .contact : .source
            guard line.kind == .list else {
                let items = AccessTables.items(line.value.text)
                guard
                    let rules = AccessTables.rules(line.kind == .permit, items, target, list: 0)
                else { return .nobody }
                result += rules
                continue
            }
            for name in AccessTables.items(line.value.text, keepsBlanks: true) {
                lists += 1
                guard lists < AccessList.mostLists,
                    let rules = namedRules(named.lines(Array(name.utf8)), target, list: lists)
                else { return .nobody }
                result += rules
            }
        }
        return list(result)
    }

    /// The lines as `accounts.acl-order` wants them.
    private func inOrder(_ lines: [AccessLine]) -> [AccessLine] {
        switch order {
        case .asAsterisk: lines
        case .denyThenPermit:
            lines.filter { $0.kind == .deny } + lines.filter { $0.kind != .deny }
        case .ignore: []
        }
    }

    /// The rules of a list; nil when there is none, or one cannot be read.
    func namedRules(
        _ lines: [AccessLine]?, _ target: AccessTarget, list: UInt8
    ) -> [AccessRule]? {
        guard let lines else { return nil }
        var result: [AccessRule] = []
        for line in lines {
            let items = AccessTables.items(line.value.text)
            guard let rules = AccessTables.rules(line.kind == .permit, items, target, list: list)
            else { return nil }
            result += rules
            guard result.count <= AccessList.most else { return nil }
        }
        return result
    }
}
