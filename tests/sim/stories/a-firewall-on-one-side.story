# A packet filter drops the adverts that come in at the backup: two masters, as long as it is there.
# Who is stronger hears the other, stays master and tells the network again where the address is.
seed 3

router a
    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        priority 150
        virtual_ipaddress {
            10.0.0.100
        }
    }

router b
    vrrp_instance VI_1 {
        interface eth0
        virtual_router_id 51
        priority 100
        virtual_ipaddress {
            10.0.0.100
        }
    }

at 0 a starts
at 0 b starts
at 10 a alone has 10.0.0.100
at 10 b hears nothing
at 20 a is MASTER
at 20 b is MASTER
at 20 b is connected
at 22 a alone has 10.0.0.100
at 22 b is BACKUP
