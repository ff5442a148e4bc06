# The priority of the backup is raised by a reload: it takes the address over, and nobody falls out.
seed 4

router a
    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        priority 100
        virtual_ipaddress {
            10.0.0.100
        }
    }

router b
    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        priority 90
        virtual_ipaddress {
            10.0.0.100
        }
    }

at 0 a starts
at 0 b starts
at 10 a alone has 10.0.0.100
at 10 b reloads
    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        priority 110
        virtual_ipaddress {
            10.0.0.100
        }
    }
at 15 b alone has 10.0.0.100
at 15 a is BACKUP
