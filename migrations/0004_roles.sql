-- tokens of a log from before roles may do everything, everywhere, without end
alter table token add column role text not null default 'admin';
alter table token add column apps text;              -- JSON list of the apps it is for; null: all
alter table token add column expires_at text;        -- null: never
-- the token of the settings, or the one that was made in their place: another takes its place
alter table token add column of_settings integer not null default 0;
update token set of_settings = 1 where name = 'operator';

alter table session add column seen_at text;
alter table session add column peer text;            -- the address it was begun from
create index session_token on session (token);
create index session_expires on session (expires_at);

-- who did what is asked for by name
create index event_actor on event (actor, seq);
