// All that Asterisk's folder says about accounts.

/// What Asterisk's files say about accounts, and where the accounts stand that are in no file.
///
/// A value is one state of the files. Reading gives either a whole one or a fault; after a fault the one before stays
/// good. `stamp.isCurrent` says cheaply whether the files are still those that were read, and is false as long as
/// somebody writes them.
///
///     var good: AsteriskConfiguration?
///     if good?.stamp.isCurrent != true {
///         do { good = try AsteriskConfiguration(folder: "/etc/asterisk") } catch { report("\(error)") }
///     }
package struct AsteriskConfiguration: Sendable {
    /// A channel driver whose files are read.
    package enum Driver: CaseIterable, Sendable {
        /// PJSIP: pjsip.conf and pjsip_wizard.conf, or what sorcery.conf names.
        case pjsip
        /// chan_sip: sip.conf and users.conf.
        case chanSip
    }

    /// PJSIP's objects.
    package let pjsip: PjsipConfiguration
    /// chan_sip's peers.
    package let chanSip: ChanSipConfiguration
    /// The lists of acl.conf.
    package let accessLists: AccessLists
    /// Which tables stand in databases.
    package let realtime: RealtimeMap
    /// Where PJSIP's objects come from.
    package let sorcery: SorceryMap
    /// The databases.
    package let databases: Databases
    /// What the administrator should know, in the order of reading; at most as many as the limits say.
    package let findings: [Finding]
    /// The first included file that Asterisk leaves out the rest of, and what to do; nil when all files are whole.
    package let cut: Finding?
    /// Which files were read, and what they were then.
    package let stamp: FolderStamp

    /// Reads the folder (astetcdir); a file that is not there says nothing.
    ///
    /// Throws for a file that Asterisk does not take, for one that cannot be read, for more than the limits, and
    /// when a file has changed since the reading began.
    package init(
        folder path: String, drivers: Set<Driver> = Set(Driver.allCases),
        limits: ConfigurationLimits = ConfigurationLimits()
    ) throws(ConfigurationFault) {
        try self.init(AsteriskFolder(path, limits: limits), drivers: drivers)
    }

    /// Reads a folder of which nothing was read yet.
    package init(
        _ folder: AsteriskFolder, drivers: Set<Driver> = Set(Driver.allCases)
    ) throws(ConfigurationFault) {
        var folder = folder
        try folder.readOwn()
        let extconfig = try folder.configuration("extconfig.conf")
        realtime = extconfig.map { RealtimeMap($0, &folder) } ?? RealtimeMap()
        sorcery = SorceryMap(try folder.file("sorcery.conf", realtime))
        pjsip =
            drivers.contains(.pjsip)
            ? try PjsipConfiguration(&folder, sorcery, realtime) : PjsipConfiguration()
        chanSip =
            drivers.contains(.chanSip)
            ? try ChanSipConfiguration(&folder, realtime) : ChanSipConfiguration()
        let lists = try folder.file("acl.conf", realtime)
        accessLists = lists.map { AccessLists($0, &folder) } ?? AccessLists()
        databases = try Databases(&folder, realtime)
        findings = folder.findings
        cut = folder.cut
        stamp = folder.stamp
        guard stamp.isCurrent else {
            throw ConfigurationFault(
                at: Place(file: folder.path, line: 1),
                "a file has changed while it was read: it is read again")
        }
    }
}

extension AsteriskFolder {
    /// Reads asterisk.conf: whether Asterisk runs programs for #exec, and whether this is its folder.
    mutating func readOwn() throws(ConfigurationFault) {
        guard let file = try configuration("asterisk.conf") else { return }
        runsPrograms = file.section("options")?.value("execincludes").isTrue ?? false
        let named = file.section("directories")?.last("astetcdir")
        let slash = UInt8(ascii: "/")
        guard let named, !named.value.elementsEqual(path.utf8),
            !named.value.elementsEqual(Array(path.utf8) + [slash])
        else { return }
        note(
            Finding(
                .missing, at: named.place,
                "Asterisk's files are in \(named.value.shown): when that is another folder, write accounts.source: asterisk://\(named.value.shown)"
            ))
    }

    /// Reads a file, but for one that a database has.
    mutating func file(
        _ name: String, _ realtime: RealtimeMap
    ) throws(ConfigurationFault) -> Configuration? {
        guard let mapping = realtime.mapping(ofFile: name) else { return try configuration(name) }
        note(
            Finding(
                .missing, at: mapping.place,
                "Asterisk reads \(name) from a database, and Rempart does not: put its lines into the file, and take this line out"
            ))
        return nil
    }
}
