// The target SIPTransactions.
