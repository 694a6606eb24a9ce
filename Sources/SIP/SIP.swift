// The target SIP.
