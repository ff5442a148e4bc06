# With nopreempt who was master before stays away when it returns, however strong it is.
seed 2

router a
    vrrp_instance VI_1 {
        state BACKUP
        interface eth0
        virtual_router_id 51
        priority 150
        nopreempt
        virtual_ipaddress {
            10.0.0.100
        }
    }

router b
    vrrp_instance VI_1 {
        state BACKUP
        interface eth0
        virtual_router_id 51
        priority 100
        nopreempt
        virtual_ipaddress {
            10.0.0.100
        }
    }

at 0 a starts
at 1 b starts
at 10 a alone has 10.0.0.100
at 10 a stops
at 11 b alone has 10.0.0.100
at 20 a starts
at 60 b alone has 10.0.0.100
at 60 a is BACKUP
