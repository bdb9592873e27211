-- who asks without a login is answered by this column alone; the projections of an older release are made anew at its first start
alter table app add column public integer not null default 0;
