"""The DICOM service: `radloom listen`. Studies come by C-STORE; each is reported, and the report kept or sent on.

`receiving` takes instances and puts them into the `spool`, folders on a disk whose places say how far each study is;
`reporting` reports those studies to which nothing was added for a while, `sending` gives the reports to another
application entity, and `service` runs all three until it is told to stop. What was acknowledged is on the disk, so that
the process may be killed at any moment: started again, it goes on where it was.
"""
