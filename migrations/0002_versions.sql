-- a release refuses, kind by kind, versions that it does not know: the newest version of a kind is found at once
drop index event_newer;
create index event_version on event (kind, version);
