# The classic pair: the master's machine dies, the backup takes the address within a
# Master_Down_Interval, and the master takes it back when it is there again.
seed 1

router a
    vrrp_instance VI_1 {
        state MASTER
        interface eth0
        virtual_router_id 51
        priority 100
        advert_int 1
        virtual_ipaddress {
            10.0.0.100
        }
    }

router b
    vrrp_instance VI_1 {
        state BACKUP
        interface eth0
        virtual_router_id 51
        priority 90
        advert_int 1
        virtual_ipaddress {
            10.0.0.100
        }
    }

at 0 a starts
at 0 b starts
at 10 a alone has 10.0.0.100
at 10 b is BACKUP
at 10.5 a is cut off
at 10.5 a stops
at 12.5 b is BACKUP
at 14.2 b alone has 10.0.0.100
at 20 a is connected
at 20 a starts
at 25 a alone has 10.0.0.100
at 25 b is BACKUP
